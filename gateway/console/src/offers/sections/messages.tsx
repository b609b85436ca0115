// What is said, in each language.

import { useSignal } from "@preact/signals";
import { TextField } from "../../ui/field";
import type { Offer } from "../document";
import { faultAt, set } from "../state";

export function Messages({ offer }: { offer: Offer }) {
  const messages = offer.messages ?? {};
  const locales = Object.keys(messages);
  const chosen = useSignal(locales[0] ?? "en");
  const locale = locales.includes(chosen.value) ? chosen.value : (locales[0] ?? "en");
  const message = messages[locale] ?? { title: "", body: "" };
  const at = (member: string): string => `messages/${locale}/${member}`;
  return (
    <fieldset class="group">
      <legend>Message</legend>
      <div class="line">
        <div class="segments" role="group" aria-label="Language">
          {locales.map((name) => (
            <button key={name} type="button" aria-pressed={name === locale} onClick={() => (chosen.value = name)}>
              {name}
            </button>
          ))}
        </div>
        <AddLanguage known={locales} added={(name) => (chosen.value = name)} />
        {locales.length > 1 && (
          <button class="plain" type="button" onClick={() => set(`messages/${locale}`, undefined)}>
            Remove {locale}
          </button>
        )}
      </div>
      <TextField
        label="Title"
        value={message.title}
        change={(title) => set(at("title"), title)}
        fault={faultAt(`/${at("title")}`)}
      />
      <TextField
        label="Text"
        lines={3}
        value={message.body}
        change={(body) => set(at("body"), body)}
        help={<>The essence first, one call to action. {"{{ store.name }}"} becomes the store's name.</>}
        fault={faultAt(`/${at("body")}`)}
      />
      <div class="pair">
        <TextField
          label="Link"
          mono
          value={message.deep_link ?? ""}
          placeholder="https://shop.example/lunch"
          change={(link) => set(at("deep_link"), link || undefined)}
          fault={faultAt(`/${at("deep_link")}`)}
        />
        <TextField
          label="Image"
          mono
          value={message.image_url ?? ""}
          placeholder="https://shop.example/soup.jpg"
          change={(link) => set(at("image_url"), link || undefined)}
          fault={faultAt(`/${at("image_url")}`)}
        />
      </div>
    </fieldset>
  );
}

function AddLanguage({ known, added }: { known: readonly string[]; added: (locale: string) => void }) {
  const typed = useSignal("");
  const add = (): void => {
    const locale = typed.value.trim();
    if (!locale || known.includes(locale)) return;
    set(`messages/${locale}`, { title: "", body: "" });
    added(locale);
    typed.value = "";
  };
  return (
    <span class="line">
      <input
        class="short"
        aria-label="Language to add"
        placeholder="fi"
        maxLength={12}
        value={typed.value}
        onInput={(event) => (typed.value = event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && (event.preventDefault(), add())}
      />
      <button class="plain" type="button" onClick={add}>
        Add language
      </button>
    </span>
  );
}

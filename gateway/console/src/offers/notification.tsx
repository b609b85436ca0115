// The message as the two kinds of phone show it, with its lengths.

import { useSignal } from "@preact/signals";
import { words } from "../format";
import { MAX_BODY_CHARACTERS, MAX_TITLE_CHARACTERS, type MessageTemplate } from "./document";
import { preview } from "./liquid";
import { Platforms } from "./platforms";
import { draft, targeted } from "./state";

export function Notifications() {
  const { messages = {} } = draft.value!.offer;
  const locales = Object.keys(messages);
  const chosen = useSignal("");
  const locale = locales.includes(chosen.value) ? chosen.value : (locales[0] ?? "");
  const message = messages[locale];
  const store = targeted.value[0];
  const variables = { store: { id: store?.id, name: "your store", ...store?.properties }, offer: draft.value!.offer };
  return (
    <section class="preview" aria-label="Preview">
      <header>
        <h3>On the phone</h3>
        {locales.length > 1 && (
          <div class="segments" role="group" aria-label="Language">
            {locales.map((name) => (
              <button key={name} type="button" aria-pressed={name === locale} onClick={() => (chosen.value = name)}>
                {name}
              </button>
            ))}
          </div>
        )}
      </header>
      {message && <Phones message={message} variables={variables} />}
      {store && <p class="hint">As it reads at {String(store.properties?.name ?? store.id)}.</p>}
    </section>
  );
}

function Phones({ message, variables }: { message: MessageTemplate; variables: object }) {
  const title = preview(message.title, variables);
  const body = preview(message.body, variables);
  return (
    <>
      <article class="phone ios" aria-label="On iOS">
        <i aria-hidden="true" />
        <div>
          <p>
            <b>{title || "Title"}</b>
            <time>now</time>
          </p>
          <p>{body || "Text"}</p>
        </div>
      </article>
      <article class="phone android" aria-label="On Android">
        <p class="app">
          <i aria-hidden="true" /> Your app · now
        </p>
        <b>{title || "Title"}</b>
        <p>{body || "Text"}</p>
      </article>
      <dl class="lengths">
        <Length name="title" text={title} most={MAX_TITLE_CHARACTERS} />
        <Length name="text" text={body} most={MAX_BODY_CHARACTERS} />
      </dl>
      {title && body && <Platforms message={{ title, body, ...links(message) }} />}
    </>
  );
}

function links({ deep_link = "", image_url = "" }: MessageTemplate): Record<string, string> {
  return { deep_link, image_url };
}

function Length({ name, text, most }: { name: string; text: string; most: number }) {
  const length = [...text].length;
  return (
    <div class={length > most ? "fault" : ""}>
      <dt>{words(name)}</dt>
      <dd>
        {length} of {most}
        {length > most && ", phones cut it"}
      </dd>
    </div>
  );
}

// Which wording works better, and whether the offer works at all: variants, and people held out to compare with.

import { TextField } from "../../ui/field";
import type { MessageTemplate, Offer, Variant } from "../document";
import { faultAt, set } from "../state";

export function Experiment({ offer }: { offer: Offer }) {
  const { variants = [], holdout_ratio } = offer.experiment ?? {};
  const locale = Object.keys(offer.messages ?? {})[0] ?? "en";
  const change = (next: Variant[]): void => set("experiment/variants", next.length > 0 ? next : undefined);
  const add = (): void => {
    const first: Variant[] = variants.length === 0 ? [{ name: "a" }] : variants;
    change([...first, { name: "abcdefghijklmnop"[first.length] ?? `v${first.length}` }]);
  };
  return (
    <fieldset class="group">
      <legend>Experiment</legend>
      <TextField
        label="Held out, in percent"
        type="number"
        value={holdout_ratio === undefined ? "" : String(Number((holdout_ratio * 100).toFixed(2)))}
        placeholder="0"
        change={(text) => set("experiment/holdout_ratio", text ? Number(text) / 100 : undefined)}
        help="They get nothing from this offer and are counted beside those who do: the difference is its effect."
        fault={faultAt("/experiment/holdout_ratio")}
      />
      {variants.map((variant, place) => (
        <VariantFields
          key={place}
          variant={variant}
          place={place}
          locale={locale}
          own={offer.messages?.[locale]}
          change={(next) => change(variants.map((other, at) => (at === place ? next : other)))}
          remove={() => change(variants.filter((_, at) => at !== place))}
        />
      ))}
      <button class="quiet" type="button" onClick={add}>
        {variants.length === 0 ? "Compare two wordings" : "Add a variant"}
      </button>
    </fieldset>
  );
}

interface VariantProps {
  variant: Variant;
  place: number;
  locale: string;
  /** What the offer itself says, for the parts that the variant does not say otherwise. */
  own: MessageTemplate | undefined;
  change: (variant: Variant) => void;
  remove: () => void;
}

function VariantFields({ variant, place, locale, own, change, remove }: VariantProps) {
  const message = variant.messages?.[locale];
  const at = `/experiment/variants/${place}`;
  const say = (part: "title" | "body", text: string): void => {
    const base = message ?? own ?? { title: "", body: "" };
    change({ ...variant, messages: { ...variant.messages, [locale]: { ...base, [part]: text } } });
  };
  return (
    <div class="variant" role="group" aria-label={`Variant ${variant.name}`}>
      <div class="pair">
        <TextField
          label="Variant"
          mono
          value={variant.name}
          change={(name) => change({ ...variant, name })}
          fault={faultAt(`${at}/name`)}
        />
        <TextField
          label="Weight"
          type="number"
          value={String(variant.weight ?? "")}
          placeholder="1"
          change={(text) => {
            const { weight: _, ...rest } = variant;
            change(text ? { ...rest, weight: Number(text) } : rest);
          }}
          fault={faultAt(`${at}/weight`)}
        />
      </div>
      <TextField
        label={`Its title (${locale})`}
        value={message?.title ?? ""}
        placeholder={own?.title ?? ""}
        change={(text) => say("title", text)}
        fault={faultAt(`${at}/messages`)}
      />
      <TextField
        label={`Its text (${locale})`}
        lines={2}
        value={message?.body ?? ""}
        placeholder={own?.body ?? ""}
        change={(text) => say("body", text)}
      />
      <button class="plain" type="button" onClick={remove}>
        Remove
      </button>
    </div>
  );
}

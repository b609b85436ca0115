// A list of short words, each of which can be taken away; new ones by Enter or comma.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { Icon } from "../shell/icon";
import { Field } from "./field";

interface TagsProps {
  label: string;
  tags: readonly string[];
  change: (tags: string[]) => void;
  help?: ComponentChildren;
  fault?: string | undefined;
  suggestions?: readonly string[];
}

export function TagsField({ label, tags, change, help, fault, suggestions = [] }: TagsProps) {
  const typed = useSignal("");
  const list = useId();
  const take = (): void => {
    const words = typed.value
      .split(",")
      .map((word) => word.trim())
      .filter(Boolean);
    typed.value = "";
    if (words.length > 0) change([...new Set([...tags, ...words])]);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Enter" || event.key === ",") {
      if (!typed.value.trim()) return;
      event.preventDefault();
      take();
    } else if (event.key === "Backspace" && typed.value === "" && tags.length > 0) {
      change(tags.slice(0, -1));
    }
  };
  return (
    <Field label={label} help={help} fault={fault}>
      {(tied) => (
        <div class="tags-field">
          {tags.map((tag) => (
            <span class="chip" key={tag}>
              {tag}
              <button type="button" aria-label={`Remove ${tag}`} onClick={() => change(tags.filter((t) => t !== tag))}>
                <Icon name="close" />
              </button>
            </span>
          ))}
          <input
            {...tied}
            list={list}
            value={typed.value}
            onInput={(event) => (typed.value = event.currentTarget.value)}
            onKeyDown={onKeyDown}
            onBlur={take}
          />
          <datalist id={list}>
            {suggestions
              .filter((word) => !tags.includes(word))
              .map((word) => (
                <option key={word} value={word} />
              ))}
          </datalist>
        </div>
      )}
    </Field>
  );
}

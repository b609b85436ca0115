// A labelled field with its help and its fault, tied together for screen readers.

import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  help?: ComponentChildren;
  fault?: string | undefined;
  children: (attributes: { id: string; "aria-describedby": string; "aria-invalid": boolean }) => JSX.Element;
}

export function Field({ label, help, fault, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": `${id}-about`, "aria-invalid": fault !== undefined })}
      <p id={`${id}-about`} class={fault ? "fault" : "hint"}>
        {fault ?? help}
      </p>
    </div>
  );
}

interface TextProps {
  label: string;
  value: string;
  change: (value: string) => void;
  help?: ComponentChildren;
  fault?: string | undefined;
  lines?: number;
  mono?: boolean;
  disabled?: boolean;
  placeholder?: string;
  type?: "text" | "number" | "time" | "date" | "datetime-local";
}

export function TextField({ label, value, change, help, fault, lines, mono, type = "text", ...rest }: TextProps) {
  const shared = { value, class: mono ? "mono" : "", spellcheck: !mono, ...rest };
  return (
    <Field label={label} help={help} fault={fault}>
      {(tied) =>
        lines ? (
          <textarea {...tied} {...shared} rows={lines} onInput={(event) => change(event.currentTarget.value)} />
        ) : (
          <input {...tied} {...shared} type={type as "text"} onInput={(event) => change(event.currentTarget.value)} />
        )
      }
    </Field>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  change: (value: T) => void;
  help?: ComponentChildren;
  fault?: string | undefined;
}

export function Choice<T extends string>({ label, value, options, change, help, fault }: ChoiceProps<T>) {
  return (
    <Field label={label} help={help} fault={fault}>
      {(tied) => (
        <select {...tied} value={value} onChange={(event) => change(event.currentTarget.value as T)}>
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

// Who may call the API: keys are made, shown once, and revoked.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { dateAndYear } from "../format";
import { confirmed } from "../ui/confirm";
import { Command } from "../ui/empty";
import { TextField } from "../ui/field";
import { type ApiKey, keys, listKeys, made, makeKey, revoke } from "./state";

const SCOPES: readonly [string, string][] = [
  ["ingest", "Apps: send pings and register devices"],
  ["events", "Shop systems: profiles, purchases and other events"],
  ["ops", "This console, and whoever writes stores and offers"],
  ["admin", "Everything, keys included"],
];

export function Keys() {
  useEffect(() => void listKeys(), []);
  if (keys.value === null) return null;
  return (
    <section class="card" aria-label="API keys">
      <h2>API keys</h2>
      {keys.value instanceof Error ? (
        <p class="hint">{keys.value.detail} Sign in with a key of scope admin to see and make keys.</p>
      ) : (
        <>
          <ul class="devices">
            {keys.value.map((key) => (
              <KeyItem key={key.key_id} apiKey={key} />
            ))}
          </ul>
          {made.value && <Made apiKey={made.value} />}
          <NewKey />
        </>
      )}
    </section>
  );
}

function KeyItem({ apiKey: { key_id, name, scopes, created_at_ms } }: { apiKey: ApiKey }) {
  const ask = async (): Promise<void> => {
    const text = "Whatever uses it is refused from now on.";
    if (await confirmed(`Revoke ${name}?`, text, "Revoke")) await revoke(key_id);
  };
  return (
    <li>
      <span>
        <b>{name}</b>{" "}
        {scopes.map((scope) => (
          <span class="chip" key={scope}>
            {scope}
          </span>
        ))}
        <span class="hint">
          {key_id} · made {dateAndYear(created_at_ms)}
        </span>
      </span>
      <button class="plain" type="button" aria-label={`Revoke ${name}`} onClick={() => void ask()}>
        Revoke
      </button>
    </li>
  );
}

function Made({ apiKey: { name, secret = "" } }: { apiKey: ApiKey }) {
  return (
    <div class="advice" role="status">
      <b>The key of {name}</b>
      <p>Copy it now: it is not kept and cannot be shown again.</p>
      <Command text={secret} />
    </div>
  );
}

function NewKey() {
  const name = useSignal("");
  const scope = useSignal("ingest");
  const make = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    await makeKey(name.value.trim(), [scope.value]);
    name.value = "";
  };
  return (
    <form class="new-key" aria-label="New key" onSubmit={(event) => void make(event)}>
      <TextField
        label="New key for"
        value={name.value}
        placeholder="Android app"
        change={(text) => (name.value = text)}
      />
      <fieldset class="group">
        <legend class="unseen">Scope</legend>
        {SCOPES.map(([value, label]) => (
          <label class="check" key={value}>
            <input type="radio" name="scope" checked={scope.value === value} onChange={() => (scope.value = value)} />
            <span>
              <code>{value}</code> {label}
            </span>
          </label>
        ))}
      </fieldset>
      <button class="quiet" type="submit" disabled={!name.value.trim()}>
        Make the key
      </button>
    </form>
  );
}

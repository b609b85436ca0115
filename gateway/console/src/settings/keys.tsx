// Who may call the API: keys are made for people and machines, shown once, given new secrets, and revoked.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { dateAndYear } from "../format";
import { knownTags } from "../geofences/tagging";
import { session } from "../session";
import { Allowed } from "../ui/allowed";
import { confirmed } from "../ui/confirm";
import { Command, Refused } from "../ui/empty";
import { TextField } from "../ui/field";
import { TagsField } from "../ui/tags";
import { type ApiKey, keyProblem, keys, listKeys, made, makeKey, revoke, rotate } from "./state";

/** What a key can be: a role for a person, a scope for a machine. */
const GRANTS: readonly { title: string; member: "role" | "scopes"; of: readonly [string, string][] }[] = [
  {
    title: "For a person",
    member: "role",
    of: [
      ["viewer", "Sees everything but single users; changes nothing"],
      ["store_ops", "Store operations: geofences, and pausing offers, of their own tags"],
      ["marketer", "Writes offers, submits them, fills code pools"],
      ["approver", "A second person: approves or rejects what others submitted"],
      ["privacy", "Privacy officer: sees, exports and erases single users"],
      ["admin", "Everything, keys included"],
    ],
  },
  {
    title: "For a machine",
    member: "scopes",
    of: [
      ["ingest", "Apps: send pings and register devices"],
      ["events", "Shop systems: profiles, purchases and other events"],
      ["ops", "Campaigns as code: stores, offers and the policy"],
    ],
  },
];

export function Keys() {
  useEffect(() => {
    void listKeys();
    return () => void (made.value = keyProblem.value = null);
  }, []);
  return (
    <section class="card" aria-label="API keys">
      <h2>API keys</h2>
      <p class="hint">One for each person and each machine: the audit log names them, and each can be revoked alone.</p>
      <Allowed needs="keys:manage">
        <ul class="devices">
          {keys.value.map((key) => (
            <KeyItem key={key.key_id} apiKey={key} />
          ))}
        </ul>
        {made.value && <Made apiKey={made.value} />}
        {keyProblem.value && <Refused problem={keyProblem.value} />}
        <NewKey />
      </Allowed>
    </section>
  );
}

function KeyItem({ apiKey }: { apiKey: ApiKey }) {
  const { key_id, name, role, scopes, tags = [], created_at_ms, user_id } = apiKey;
  const askRevoke = async (): Promise<void> => {
    const isOwn = key_id === session.value?.key_id;
    const text = isOwn
      ? "It is the key you are signed in with: you will be signed out."
      : "Whatever uses it is refused.";
    if (await confirmed(`Revoke ${name}?`, text, "Revoke")) await revoke(key_id);
  };
  const askRotate = async (): Promise<void> => {
    const text = "You get a new secret to hand out. The present one goes on working for an hour.";
    if (await confirmed(`New secret for ${name}?`, text, "Make a new secret")) await rotate(key_id);
  };
  return (
    <li>
      <span>
        <b>{name}</b>{" "}
        {[...(role ? [role] : []), ...scopes].map((grant) => (
          <span class="chip" key={grant}>
            {grant}
          </span>
        ))}
        <span class="hint">
          {key_id} · made {dateAndYear(created_at_ms)}
          {tags.length > 0 && ` · of ${tags.join(", ")}`}
          {user_id && ` · for user ${user_id}`}
        </span>
      </span>
      <span class="line">
        <button class="plain" type="button" aria-label={`New secret for ${name}`} onClick={() => void askRotate()}>
          New secret
        </button>
        <button class="plain" type="button" aria-label={`Revoke ${name}`} onClick={() => void askRevoke()}>
          Revoke
        </button>
      </span>
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
  const grant = useSignal("viewer");
  const tags = useSignal<string[]>([]);
  const make = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const { member } = GRANTS.find(({ of }) => of.some(([name]) => name === grant.value))!;
    const rights = { [member]: member === "role" ? grant.value : [grant.value] };
    const bounds = grant.value === "store_ops" ? { tags: tags.value } : {};
    if (await makeKey({ name: name.value.trim(), ...rights, ...bounds })) name.value = "";
  };
  return (
    <form class="new-key" aria-label="New key" onSubmit={(event) => void make(event)}>
      <TextField label="New key for" value={name.value} placeholder="Mia" change={(text) => (name.value = text)} />
      {GRANTS.map(({ title, of }) => (
        <fieldset class="group" key={title}>
          <legend>{title}</legend>
          {of.map(([value, label]) => (
            <label class="check" key={value}>
              <input type="radio" name="grant" checked={grant.value === value} onChange={() => (grant.value = value)} />
              <span>
                <code>{value}</code> {label}
              </span>
            </label>
          ))}
        </fieldset>
      ))}
      {grant.value === "store_ops" && (
        <TagsField
          label="Tags"
          tags={tags.value}
          suggestions={knownTags.value}
          change={(next) => (tags.value = next)}
          help="Only geofences with one of these tags, and offers for nothing else."
        />
      )}
      <button class="quiet" type="submit" disabled={!name.value.trim()}>
        Make the key
      </button>
    </form>
  );
}

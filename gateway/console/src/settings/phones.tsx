// Phones: apps that people already have, each let in by an address of its own, set up by reading a QR code.

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { attempted, call, type DocumentFault, Problem } from "../api/client";
import { dateAndYear } from "../format";
import { confirmed } from "../ui/confirm";
import { Command, Refused } from "../ui/empty";
import { Choice, TextField } from "../ui/field";
import { tell } from "../ui/notice";

interface Source {
  source_id: string;
  kind: string;
  name: string;
  created_at_ms: number;
  user_id?: string;
  sends_geofences?: boolean;
  setup?: { url: string; link: string; hint: string; qr: string };
}

/** Apps by the gateway's name for them; a custom source needs a field map, which the API takes. */
const KINDS: readonly [string, string][] = [
  ["owntracks", "OwnTracks"],
  ["overland", "Overland"],
  ["traccar", "Traccar Client"],
  ["gpslogger", "GPSLogger"],
  ["colota", "Colota"],
  ["homeassistant", "Home Assistant"],
  ["transistor", "Transistor background geolocation"],
  ["mauron85", "Cordova background geolocation"],
];
/** Apps that can be told which stores to watch. */
const TAKE_GEOFENCES = new Set(["owntracks", "transistor"]);

const sources = signal<readonly Source[] | Problem | null>(null);
/** The source just let in, with its address, which cannot be shown again. */
const added = signal<Source | null>(null);
const problem = signal<Problem | null>(null);

export function Phones() {
  useEffect(() => {
    void list();
    return () => void (added.value = problem.value = null);
  }, []);
  return (
    <section class="card" aria-label="Phones">
      <h2>Phones</h2>
      <p class="hint">
        Location apps that people already have send here without an SDK. Each source is let in by an address that
        carries its own secret.
      </p>
      {sources.value instanceof Problem ? (
        <p class="hint">{sources.value.detail}</p>
      ) : (
        <>
          {sources.value?.length === 0 && !added.value && (
            <p class="well">None yet. Let in your own phone first: it takes a minute and shows the whole way.</p>
          )}
          <ul class="devices">
            {sources.value?.map((source) => (
              <SourceItem key={source.source_id} source={source} />
            ))}
          </ul>
          {added.value?.setup && <SetUp source={added.value} />}
          <NewSource />
        </>
      )}
    </section>
  );
}

function SourceItem({ source: { source_id, kind, name, created_at_ms, user_id } }: { source: Source }) {
  return (
    <li>
      <span>
        <b>{name}</b> <span class="chip">{kindName(kind)}</span>
        <span class="hint">
          {user_id ? `for user ${user_id} · ` : ""}let in {dateAndYear(created_at_ms)}
        </span>
      </span>
      <button class="plain" type="button" aria-label={`Remove ${name}`} onClick={() => void remove(source_id, name)}>
        Remove
      </button>
    </li>
  );
}

function SetUp({ source: { name, setup } }: { source: Source }) {
  const { url, link, hint, qr } = setup!;
  return (
    <div class="advice set-up" role="status">
      <img src={qr} alt={link ? "QR code that sets up the app" : "QR code of the address"} width="172" height="172" />
      <div>
        <b>Set up {name} now</b>
        <p>The address holds a secret: it is not kept and cannot be shown again.</p>
        <p>{hint}</p>
        <Command text={url} />
        {link && <Command text={link} />}
      </div>
    </div>
  );
}

function NewSource() {
  const kind = useSignal("owntracks");
  const name = useSignal("");
  const user = useSignal("");
  const sendsGeofences = useSignal(false);
  const faultAt = (pointer: string): string | undefined =>
    problem.value?.errors.find((fault: DocumentFault) => fault.pointer === pointer)?.detail;
  const make = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const isMade = await add({
      kind: kind.value,
      name: name.value.trim(),
      ...(user.value.trim() && { user_id: user.value.trim() }),
      ...(TAKE_GEOFENCES.has(kind.value) && { sends_geofences: sendsGeofences.value }),
    });
    if (isMade) name.value = user.value = "";
  };
  return (
    <form class="new-key" aria-label="Let in a phone" onSubmit={(event) => void make(event)}>
      <h3>Let in a phone</h3>
      <div class="pair">
        <Choice label="App" value={kind.value} options={KINDS} change={(next) => (kind.value = next)} />
        <TextField
          label="Name"
          value={name.value}
          placeholder="Jane's phone"
          change={(text) => (name.value = text)}
          fault={faultAt("/name")}
        />
      </div>
      <TextField
        label="User id"
        mono
        value={user.value}
        change={(text) => (user.value = text)}
        help="Whose fixes these are. Some apps name the user themselves; with an id here, nobody else can be named."
        fault={faultAt("/user_id")}
      />
      {TAKE_GEOFENCES.has(kind.value) && (
        <label class="check">
          <input
            type="checkbox"
            checked={sendsGeofences.value}
            onChange={(event) => (sendsGeofences.value = event.currentTarget.checked)}
          />
          Tell the phone its nearest stores, so that it wakes there
        </label>
      )}
      {problem.value && problem.value.errors.length === 0 && <Refused problem={problem.value} />}
      <button class="quiet" type="submit" disabled={!name.value.trim()}>
        Let it in
      </button>
    </form>
  );
}

function kindName(kind: string): string {
  return KINDS.find(([name]) => name === kind)?.[1] ?? kind;
}

async function list(): Promise<void> {
  sources.value = await attempted(async () => (await call<{ items: Source[] }>("/v1/sources")).body.items);
}

async function add(wanted: object): Promise<boolean> {
  problem.value = null;
  const json = { ...wanted, url: location.origin };
  const answer = await attempted(async () => (await call<Source>("/v1/sources", { method: "POST", json })).body);
  if (answer instanceof Problem) {
    problem.value = answer;
    return false;
  }
  added.value = answer;
  await list();
  return true;
}

async function remove(id: string, name: string): Promise<void> {
  if (!(await confirmed(`Remove ${name}?`, "Its phone is refused from now on.", "Remove"))) return;
  const done = await attempted(() => call(`/v1/sources/${encodeURIComponent(id)}`, { method: "DELETE" }));
  if (done instanceof Problem) tell(done.detail);
  else tell("Removed.");
  if (added.value?.source_id === id) added.value = null;
  await list();
}

// The audit log: who changed what, newest first, with what it was before and what it became.

import { computed, type Signal, signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { attempted, call, Problem } from "../api/client";
import { dateAndYear, words } from "../format";
import { DifferenceTable } from "../ui/difference";
import { csv, download } from "../ui/download";

interface Entry {
  at_ms: number;
  who: string;
  action: string;
  what: string;
  before?: unknown;
  after?: unknown;
}

const PAGE = 100;
const DEEDS: Record<string, string> = {
  delete: "Deleted",
  make: "Made",
  revoke: "Revoked",
  erase: "Erased",
  export: "Exported",
  import: "Imported",
  tag: "Tagged",
  rollback: "Went back",
  replay: "Tried again",
  discard: "Discarded",
};

const entries = signal<readonly Entry[] | Problem | null>(null);
const cursor = signal<string | null>(null);
const isBusy = signal(false);
const wanted = signal("");
/** What the log is asked for: a kind of thing, one key, days of this browser's calendar. "" asks for everything. */
const kind = signal("");
const person = signal("");
const since = signal("");
const until = signal("");

const KINDS: readonly [string, string][] = [
  ["", "Everything"],
  ["offers", "Offers"],
  ["geofences", "Geofences"],
  ["policies", "Policy"],
  ["users", "Users"],
  ["keys", "API keys"],
  ["sources", "Phones"],
  ["codes", "Codes"],
  ["dead-letters", "Dead letters"],
];

const shown = computed(() => {
  if (!Array.isArray(entries.value)) return [];
  const text = wanted.value.trim().toLowerCase();
  return (entries.value as Entry[]).filter(({ who, action, what }) =>
    `${who} ${action} ${what}`.toLowerCase().includes(text),
  );
});

export function AuditLog() {
  useEffect(() => {
    void list(null);
    return () => {
      entries.value = null;
      for (const asked of [wanted, kind, person, since, until]) asked.value = "";
    };
  }, []);
  return (
    <section class="card" aria-label="Audit log">
      <header class="card-head">
        <h2>Audit log</h2>
        <button class="quiet" type="button" disabled={shown.value.length === 0} onClick={save}>
          Download CSV
        </button>
      </header>
      {entries.value instanceof Problem ? (
        <p class="hint">{entries.value.detail}</p>
      ) : (
        <>
          <div class="line">
            <select
              class="small"
              aria-label="Kind"
              value={kind.value}
              onChange={(event) => ask(kind, event.currentTarget.value)}
            >
              {KINDS.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
            <Day label="Since" day={since} />
            <Day label="Until" day={until} />
            {person.value && (
              <button class="plain" type="button" onClick={() => ask(person, "")}>
                Only {person.value} ×
              </button>
            )}
            <input
              class="wide"
              type="search"
              aria-label="Find in the log"
              placeholder="Find who, what or which action"
              value={wanted.value}
              onInput={(event) => (wanted.value = event.currentTarget.value)}
            />
          </div>
          <Entries />
        </>
      )}
    </section>
  );
}

function Day({ label, day }: { label: string; day: Signal<string> }) {
  return (
    <label class="small">
      {label}{" "}
      <input class="small" type="date" value={day.value} onChange={(event) => ask(day, event.currentTarget.value)} />
    </label>
  );
}

function Entries() {
  if (entries.value === null) return <p class="hint">Loading…</p>;
  return (
    <>
      {shown.value.length === 0 && (
        <p class="hint">
          {wanted.value
            ? "Nothing in the entries loaded so far. Show earlier ones, or search for less."
            : kind.value || person.value || since.value || until.value
              ? "Nothing of what you ask for."
              : "Nothing was done yet. Changes, keys, erasures and exports are written down here."}
        </p>
      )}
      <ul class="devices">
        {shown.value.map((entry) => (
          <EntryItem key={`${entry.at_ms} ${entry.action} ${entry.what}`} entry={entry} />
        ))}
      </ul>
      {cursor.value !== null && (
        <button class="quiet" type="button" disabled={isBusy.value} onClick={() => void list(cursor.value)}>
          Show earlier entries
        </button>
      )}
    </>
  );
}

function EntryItem({ entry: { at_ms, who, action, what, before, after } }: { entry: Entry }) {
  const isOpen = useSignal(false);
  const hasMore = before !== undefined || after !== undefined;
  return (
    <li class="folded">
      <div class="folded-head">
        <span>
          <b>{deed(action, before === undefined)}</b> <code>{what}</code>
          <span class="hint">
            <button class="named" type="button" title={`Only what ${who} did`} onClick={() => ask(person, who)}>
              {who}
            </button>{" "}
            · {dateAndYear(at_ms)}
          </span>
        </span>
        {hasMore && (
          <button
            class="plain"
            type="button"
            aria-expanded={isOpen.value}
            aria-label={`Before and after: ${action} ${what}`}
            onClick={() => (isOpen.value = !isOpen.value)}
          >
            Before and after
          </button>
        )}
      </div>
      {isOpen.value && <DifferenceTable before={before} after={after} />}
    </li>
  );
}

/** What was done, as one says it of the thing. */
function deed(action: string, isNew: boolean): string {
  if (action === "put") return isNew ? "Created" : "Changed";
  return DEEDS[action] ?? words(action);
}

/** Ask the gateway anew with one thing changed. */
function ask(what: Signal<string>, value: string): void {
  what.value = value;
  void list(null);
}

/** The first instant of a day of this browser's calendar, some days on. */
function begins(day: string, days = 0): number {
  const [year, month, date] = day.split("-").map(Number) as [number, number, number];
  return new Date(year, month - 1, date + days).getTime();
}

async function list(after: string | null): Promise<void> {
  isBusy.value = true;
  const query = new URLSearchParams({
    limit: String(PAGE),
    ...(kind.value && { what: kind.value }),
    ...(person.value && { who: person.value }),
    ...(since.value && { from: String(begins(since.value)) }),
    ...(until.value && { to: String(begins(until.value, 1) - 1) }),
    ...(after && { cursor: after }),
  });
  entries.value = await attempted(async () => {
    const { items, next_cursor } = (await call<{ items: Entry[]; next_cursor: string | null }>(`/v1/audit?${query}`))
      .body;
    cursor.value = next_cursor;
    const known = after && Array.isArray(entries.value) ? (entries.value as Entry[]) : [];
    return [...known, ...items];
  });
  isBusy.value = false;
}

function save(): void {
  const rows = shown.value.map(({ at_ms, who, action, what, before, after }) => [
    new Date(at_ms).toISOString(),
    who,
    action,
    what,
    before === undefined ? "" : JSON.stringify(before),
    after === undefined ? "" : JSON.stringify(after),
  ]);
  download("audit.csv", "text/csv", csv([["at", "who", "action", "what", "before", "after"], ...rows]));
}

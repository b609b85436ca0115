// The catalog's past: who changed stores, offers or the policy, when, what exactly, and the way back.

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { attempted, call, Problem } from "../api/client";
import { geofenceName, load as loadCatalog, offerName } from "../catalog";
import { count, dateAndYear, words } from "../format";
import { may, refusal } from "../session";
import { confirmed } from "../ui/confirm";
import { DifferenceTable } from "../ui/difference";
import { Trouble } from "../ui/empty";
import { tell } from "../ui/notice";

interface Version {
  version: number;
  at_ms: number;
  author: string;
  note?: string;
  changes: number;
}

/** One document that differs: its own versions, null where it did not exist. */
interface Difference {
  kind: string;
  id: string;
  before: number | null;
  after: number | null;
}

const PAGE = 25;
const MOST_LISTED = 200;

const versions = signal<readonly Version[] | Problem | null>(null);
const next = signal<number | null>(null);
const isBusy = signal(false);

export function Versions() {
  useEffect(() => {
    void list();
    return () => void (versions.value = null);
  }, []);
  if (versions.value instanceof Problem) return <Trouble problem={versions.value} retry={() => void list()} />;
  return (
    <section class="card" aria-label="Versions">
      <h2>Versions</h2>
      <p class="hint">
        Every change to stores, offers and the policy is a version of the catalog. Going back makes a new one, so that
        too can be undone.
      </p>
      {versions.value === null && <p class="hint">Loading…</p>}
      {versions.value?.length === 0 && <p class="hint">Nothing was stored yet: the first change is version 1.</p>}
      <ul class="devices">
        {versions.value?.map((version, place) => (
          <VersionItem key={version.version} version={version} isPresent={place === 0} />
        ))}
      </ul>
      {next.value !== null && (
        <button class="quiet" type="button" disabled={isBusy.value} onClick={() => void list(next.value)}>
          Show earlier versions
        </button>
      )}
    </section>
  );
}

function VersionItem({ version: one, isPresent }: { version: Version; isPresent: boolean }) {
  const { version, at_ms, author, changes } = one;
  const isOpen = useSignal(false);
  return (
    <li class="folded">
      <div class="folded-head">
        <span>
          <b>{changes === 1 ? "One change" : `${count(changes)} changes`}</b>
          <span class="hint">
            version {version} · {dateAndYear(at_ms)} · {author}
          </span>
        </span>
        <span class="line">
          <button
            class="plain"
            type="button"
            aria-expanded={isOpen.value}
            aria-label={`What changed in version ${version}`}
            onClick={() => (isOpen.value = !isOpen.value)}
          >
            What changed
          </button>
          {isPresent ? (
            <span class="chip">now</span>
          ) : (
            <button
              class="quiet"
              type="button"
              aria-label={`Go back to this: version ${version}`}
              disabled={isBusy.value || !may("catalog:rollback")}
              title={refusal("catalog:rollback")}
              onClick={() => void goBack(one)}
            >
              Go back to this
            </button>
          )}
        </span>
      </div>
      {isOpen.value && <Changes version={version} />}
    </li>
  );
}

function Changes({ version }: { version: number }) {
  const found = useSignal<readonly Difference[] | Problem | null>(null);
  useEffect(() => {
    void attempted(() => differencesOf(version - 1, version)).then((answer) => (found.value = answer));
  }, [version]);
  if (found.value === null) return <p class="hint">Comparing…</p>;
  if (found.value instanceof Problem) return <p class="hint">{found.value.detail}</p>;
  return (
    <ul class="changes">
      {found.value.slice(0, MOST_LISTED).map((difference) => (
        <ChangedDocument key={`${difference.kind} ${difference.id}`} difference={difference} version={version} />
      ))}
      {found.value.length > MOST_LISTED && <li class="hint">{count(found.value.length - MOST_LISTED)} more.</li>}
    </ul>
  );
}

/** A document is fetched as it was and as it became only once someone wants to read it. */
function ChangedDocument({ difference, version }: { difference: Difference; version: number }) {
  const { kind, id, before, after } = difference;
  const sides = useSignal<readonly [unknown, unknown] | Problem | null>(null);
  const read = (isOpen: boolean): void => {
    if (!isOpen || sides.value !== null) return;
    const side = async (at: number, isThere: boolean): Promise<unknown> =>
      isThere ? (await call(`/v1/catalog/versions/${at}/${pathOf(kind)}/${encodeURIComponent(id)}`)).body : undefined;
    const both = (): Promise<[unknown, unknown]> =>
      Promise.all([side(version - 1, before !== null), side(version, after !== null)]);
    void attempted(both).then((answer) => (sides.value = answer));
  };
  return (
    <li>
      <details onToggle={(event) => read(event.currentTarget.open)}>
        <summary>
          <span class="chip">{before === null ? "new" : after === null ? "removed" : "changed"}</span>{" "}
          {words(singular(kind))} <b>{nameOf(difference)}</b>
        </summary>
        {sides.value === null && <p class="hint">Comparing…</p>}
        {sides.value instanceof Problem && <p class="fault">{sides.value.detail}</p>}
        {Array.isArray(sides.value) && <DifferenceTable before={sides.value[0]} after={sides.value[1]} />}
      </details>
    </li>
  );
}

function nameOf({ kind, id }: Difference): string {
  if (kind.startsWith("geofence")) return geofenceName(id);
  return kind.startsWith("offer") ? offerName(id) : "";
}

function singular(kind: string): string {
  return kind.replace(/s$/, "").replace(/^policie$/, "policy");
}

/** The kind as addresses spell it. */
function pathOf(kind: string): string {
  return kind === "policies" ? "policy" : kind;
}

async function differencesOf(older: number, newer?: number): Promise<readonly Difference[]> {
  const query = new URLSearchParams({ older: String(older), ...(newer && { newer: String(newer) }) });
  return (await call<{ items: Difference[] }>(`/v1/catalog/diff?${query}`)).body.items;
}

async function list(before: number | null = null): Promise<void> {
  isBusy.value = true;
  const query = new URLSearchParams({ limit: String(PAGE), ...(before && { before: String(before) }) });
  const answer = await attempted(async () => {
    const { items, next_before } = (
      await call<{ items: Version[]; next_before: number | null }>(`/v1/catalog/versions?${query}`)
    ).body;
    next.value = next_before !== null && next_before > 1 ? next_before : null;
    const shown = before && Array.isArray(versions.value) ? (versions.value as Version[]) : [];
    return [...shown, ...items];
  });
  versions.value = answer;
  isBusy.value = false;
}

/** Asks with what would change at hand, then goes back. */
async function goBack({ version, at_ms }: Version): Promise<void> {
  isBusy.value = true;
  const done = await attempted(async () => {
    const differences = await differencesOf(version);
    const text = `Stores, offers and the policy become again what they were at ${dateAndYear(at_ms)}: ${summary(differences)}.`;
    if (!(await confirmed(`Go back to version ${version}?`, text, "Go back"))) return;
    await call("/v1/catalog/rollback", { method: "POST", json: { version } });
    tell("Done. It is live in all workers.");
    await Promise.all([list(), loadCatalog()]);
  });
  isBusy.value = false;
  if (done instanceof Problem) tell(done.detail);
}

function summary(differences: readonly Difference[]): string {
  const kinds = new Map<string, number>();
  for (const { kind } of differences) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const parts = [...kinds].map(([kind, times]) => `${count(times)} ${times === 1 ? singular(kind) : kind}`);
  return parts.length > 0 ? parts.join(", ") : "nothing differs";
}

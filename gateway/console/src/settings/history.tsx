// The catalog's past: who changed stores, offers or the policy, when, and the way back.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, Problem } from "../api/client";
import { load as loadCatalog } from "../catalog";
import { count, dateAndYear } from "../format";
import { confirmed } from "../ui/confirm";
import { tell } from "../ui/notice";
import { load as loadSettings } from "./state";

interface Version {
  version: number;
  at_ms: number;
  author: string;
  changes: number;
}

const SHOWN = 12;

const versions = signal<readonly Version[] | Problem | null>(null);

export function History() {
  useEffect(() => void list(), []);
  if (versions.value === null) return null;
  if (versions.value instanceof Problem) return <p class="hint">{versions.value.detail}</p>;
  const [present, ...earlier] = versions.value;
  return (
    <section class="card" aria-label="History">
      <h2>History</h2>
      <p class="hint">Every change to stores, offers and this policy is a version. Going back makes a new one.</p>
      <ul class="devices">
        {present && <VersionItem version={present} />}
        {earlier.map((version) => (
          <VersionItem key={version.version} version={version} back={() => void goBack(version)} />
        ))}
      </ul>
    </section>
  );
}

function VersionItem({ version: { version, at_ms, author, changes }, back }: { version: Version; back?: () => void }) {
  return (
    <li>
      <span>
        <b>{changes === 1 ? "One change" : `${count(changes)} changes`}</b>
        <span class="hint">
          version {version} · {dateAndYear(at_ms)} · {author}
        </span>
      </span>
      {back ? (
        <button class="plain" type="button" aria-label={`Go back to this: version ${version}`} onClick={back}>
          Go back to this
        </button>
      ) : (
        <span class="chip">now</span>
      )}
    </li>
  );
}

async function list(): Promise<void> {
  try {
    versions.value = (await call<{ items: Version[] }>(`/v1/catalog/versions?limit=${SHOWN}`)).body.items;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    versions.value = error;
  }
}

async function goBack({ version, at_ms }: Version): Promise<void> {
  const text = `Stores, offers and the policy become again what they were at ${dateAndYear(at_ms)}.`;
  if (!(await confirmed(`Go back to version ${version}?`, text, "Go back"))) return;
  try {
    await call("/v1/catalog/rollback", { method: "POST", json: { version } });
    tell("Done. It is live in all workers.");
    await Promise.all([list(), loadCatalog(), loadSettings()]);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    versions.value = error;
  }
}

// Import: a file dropped or chosen, looked at on the map, and sent; what the gateway refuses is listed row by row.

import { signal } from "@preact/signals";
import { call, type DocumentFault, Problem } from "../api/client";
import { geofences, load } from "../catalog";
import { count } from "../format";
import { Icon } from "../shell/icon";
import { csv, download } from "../ui/download";
import { tell } from "../ui/notice";
import { mayLeave } from "./state";
import { type Preview, read, Unreadable } from "./reading";

interface Imported {
  imported: number;
  failed: number;
  errors: DocumentFault[];
}

export type Importing =
  | { step: "reading"; name: string }
  | { step: "unreadable"; name: string; why: string }
  | { step: "preview"; preview: Preview }
  | { step: "sending"; preview: Preview }
  | { step: "refused"; preview: Preview; problem: Problem }
  | { step: "partly"; preview: Preview; result: Imported };

export const importing = signal<Importing | null>(null);

export async function take(file: File): Promise<void> {
  if (!(await mayLeave())) return;
  importing.value = { step: "reading", name: file.name };
  try {
    importing.value = { step: "preview", preview: await read(file, geofences.value) };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    importing.value = { step: "unreadable", name: file.name, why: error.message };
  }
}

async function send(preview: Preview, partial: boolean): Promise<void> {
  importing.value = { step: "sending", preview };
  try {
    const { body } = await call<Imported>(`/v1/geofences/import${partial ? "?partial=true" : ""}`, {
      method: "POST",
      body: preview.file,
      type: preview.type,
    });
    tell(`${count(body.imported)} geofences imported. They are live in all workers.`);
    importing.value = body.failed > 0 ? { step: "partly", preview, result: body } : null;
    await load();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    importing.value = { step: "refused", preview, problem: error };
  }
}

export function ImportPanel() {
  const now = importing.value!;
  return (
    <div class="editor">
      <header class="panel-head">
        <h2>Import</h2>
        <button class="plain" type="button" aria-label="Back to the list" onClick={() => (importing.value = null)}>
          <Icon name="close" />
        </button>
      </header>
      <div class="panel-body" aria-live="polite">
        {now.step === "reading" && <p class="hint">Reading {now.name}…</p>}
        {now.step === "unreadable" && (
          <div class="refused" role="alert">
            <b>{now.name} cannot be read</b>
            <p>{now.why}</p>
          </div>
        )}
        {"preview" in now && <Summary preview={now.preview} />}
        {now.step === "refused" && <Faults title={now.problem.title} text={now.problem.detail} faults={now.problem.errors} />}
        {now.step === "partly" && (
          <Faults
            title={`${count(now.result.failed)} features were left out`}
            text={`${count(now.result.imported)} were imported.`}
            faults={now.result.errors}
          />
        )}
      </div>
      <Actions now={now} />
    </div>
  );
}

function Summary({ preview: { file, added, changed, same, absent, odd } }: { preview: Preview }) {
  const rows: [string, number, string][] = [
    ["New", added, ""],
    ["Changed", changed, ""],
    ["Unchanged", same, ""],
    ["Not in the file", absent, "These stay as they are."],
    ["Cannot be shown", odd, "No id, or no shape. The gateway will say what is wrong with them."],
  ];
  return (
    <>
      <p>
        <b>{file.name}</b>
      </p>
      <dl class="facts">
        {rows
          .filter(([label, times]) => times > 0 || label === "New")
          .map(([label, times, note]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>
                {count(times)} {note && <span class="hint">{note}</span>}
              </dd>
            </div>
          ))}
      </dl>
    </>
  );
}

const MOST_SHOWN = 200;

function Faults({ title, text, faults }: { title: string; text: string; faults: readonly DocumentFault[] }) {
  return (
    <div class="refused" role="alert">
      <b>{title}</b>
      <p>{text}</p>
      <ol>
        {faults.slice(0, MOST_SHOWN).map((fault) => (
          <li key={`${fault.index} ${fault.pointer}`}>
            <span class="chip">{fault.line ? `line ${fault.line}` : `feature ${fault.index ?? "?"}`}</span> {fault.detail}
          </li>
        ))}
      </ol>
      {faults.length > 0 && (
        <button class="quiet" type="button" onClick={() => save(faults)}>
          Download as CSV
        </button>
      )}
    </div>
  );
}

function Actions({ now }: { now: Importing }) {
  if (now.step !== "preview" && now.step !== "sending" && now.step !== "refused") return null;
  const { preview } = now;
  const total = preview.features.length + preview.odd;
  const isRefused = now.step === "refused";
  return (
    <footer class="panel-foot">
      <button
        class="primary"
        type="button"
        disabled={now.step === "sending"}
        onClick={() => void send(preview, isRefused)}
      >
        {now.step === "sending" ? "Importing…" : isRefused ? "Import the good ones" : `Import ${count(total)}`}
      </button>
      <button class="quiet" type="button" onClick={() => (importing.value = null)}>
        Cancel
      </button>
    </footer>
  );
}

const COLUMNS = ["index", "line", "pointer", "code", "detail"] as const;

function save(faults: readonly DocumentFault[]): void {
  const rows = faults.map((fault) => COLUMNS.map((column) => fault[column]));
  download("import-errors.csv", "text/csv", csv([COLUMNS, ...rows]));
}

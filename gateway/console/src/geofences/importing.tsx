// Import: a file dropped or chosen, tried by the gateway, looked at on the map, then made.

import type { DocumentFault } from "../api/client";
import { count } from "../format";
import { Icon } from "../shell/icon";
import { csv, download } from "../ui/download";
import { Choice } from "../ui/field";
import { changes, check, commit, importing, type Importing, type Job, type Mode } from "./job";

const MODES: readonly [Mode, string][] = [
  ["merge", "Keep the stores that it does not name"],
  ["replace", "Remove the stores that it does not name"],
];

export function ImportPanel() {
  const now = importing.value!;
  const { name, step, job, mode } = now;
  return (
    <div class="editor">
      <header class="panel-head">
        <h2>Import</h2>
        <button class="plain" type="button" aria-label="Back to the list" onClick={() => (importing.value = null)}>
          <Icon name="close" />
        </button>
      </header>
      <div class="panel-body" aria-live="polite">
        <p>
          <b>{name}</b>
        </p>
        {(step === "checking" || step === "importing") && <Progress now={now} />}
        {step === "refused" && (
          <div class="refused" role="alert">
            <b>Nothing was changed</b>
            <p>{now.why}</p>
          </div>
        )}
        {step === "checked" && job && (
          <>
            <Summary job={job} />
            <Choice
              label="What the file says of others"
              value={mode}
              options={MODES}
              change={(next) => void check(next)}
            />
          </>
        )}
        {(step === "checked" || step === "left-out") && job?.failed ? <Faults job={job} /> : null}
      </div>
      {step === "checked" && job && <Actions job={job} />}
    </div>
  );
}

function Progress({ now: { step, job } }: { now: Importing }) {
  const { total = 0, covered = 0 } = job ?? {};
  return (
    <div role="status">
      <p class="hint">
        {step === "checking" ? "Trying the file; nothing is stored yet" : "Importing"}
        {total > 0 ? `: ${count(covered)} of ${count(total)}` : "…"}
      </p>
      <progress aria-label="Progress" max={Math.max(total, 1)} value={covered} />
    </div>
  );
}

function Summary({ job: { difference = {}, failed = 0 } }: { job: Job }) {
  const rows: [string, number | undefined][] = [
    ["New", difference.added],
    ["Changed", difference.changed],
    ["Removed", difference.removed],
    ["Unchanged", difference.unchanged],
    ["Left out", failed],
  ];
  return (
    <dl class="facts">
      {rows
        .filter(([label, times]) => times || label === "New")
        .map(([label, times]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{count(times ?? 0)}</dd>
          </div>
        ))}
    </dl>
  );
}

const MOST_SHOWN = 200;

function Faults({ job: { errors = [], failed = 0 } }: { job: Job }) {
  return (
    <div class="refused" role="alert">
      <b>{failed === 1 ? "One feature is no geofence" : `${count(failed)} features are no geofences`}</b>
      <ol>
        {errors.slice(0, MOST_SHOWN).map((fault) => (
          <li key={`${fault.index} ${fault.pointer}`}>
            <span class="chip">{fault.line ? `line ${fault.line}` : `feature ${fault.index ?? "?"}`}</span>{" "}
            {fault.detail}
          </li>
        ))}
      </ol>
      <button class="quiet" type="button" onClick={() => save(errors)}>
        Download as CSV
      </button>
    </div>
  );
}

function Actions({ job }: { job: Job }) {
  const wanted = changes(job);
  return (
    <footer class="panel-foot">
      <button class="primary" type="button" disabled={wanted === 0} onClick={() => void commit()}>
        {wanted === 0
          ? "Nothing to import"
          : job.failed
            ? `Import the ${count(wanted)} good ones`
            : `Import ${count(wanted)}`}
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

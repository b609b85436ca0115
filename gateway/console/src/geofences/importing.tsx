// Import: a file dropped or chosen, tried by the gateway, looked at on the map, then made.

import { count, words } from "../format";
import { Icon } from "../shell/icon";
import { Faults, Repairs, Warnings } from "./findings";
import { ImportOptions } from "./options";
import { geofenceName } from "../catalog";
import { changes, commit, type Difference, importing, type Importing, type Job, repairs } from "./job";

export function ImportPanel() {
  const now = importing.value!;
  const { name, step, job } = now;
  const isOver = step === "checked" || step === "left-out";
  return (
    <div class="editor">
      <header class="panel-head">
        <h2>Import</h2>
        <button class="plain" type="button" aria-label="Back to the list" onClick={() => (importing.value = null)}>
          <Icon name="close" />
        </button>
      </header>
      <div class="panel-body" aria-live="polite">
        <div>
          <b>{name}</b>
          {job?.format && <p class="hint">{described(job)}</p>}
        </div>
        {(step === "sending" || step === "checking" || step === "importing") && <Progress now={now} />}
        {step === "refused" && (
          <div class="refused" role="alert">
            <b>Nothing was changed</b>
            <p>{now.why}</p>
          </div>
        )}
        {isOver && job && <Summary job={job} isMade={step === "left-out"} />}
        {isOver && job?.failed ? <Faults job={job} /> : null}
        {isOver && job?.repairs?.length ? <Repairs job={job} /> : null}
        {isOver && job?.warnings?.length ? <Warnings job={job} /> : null}
        {(step === "checked" || step === "refused") && <ImportOptions now={now} />}
      </div>
      {step === "checked" && job && <Actions job={job} />}
    </div>
  );
}

const FORMATS: Record<string, string> = {
  geojson: "GeoJSON",
  geojson_lines: "GeoJSON, a line each",
  csv: "CSV",
  radar_csv: "Radar's CSV",
  google_business_csv: "Google Business Profile's CSV",
  kml: "KML",
  kmz: "KMZ",
  geopackage: "GeoPackage",
  flatgeobuf: "FlatGeobuf",
};

function described({ format = "", crs, notes = [] }: Job): string {
  return [FORMATS[format] ?? words(format), crs, ...notes].filter(Boolean).join(" · ");
}

function Progress({ now: { step, sent, job } }: { now: Importing }) {
  const { total = 0, covered = 0 } = job ?? {};
  const isSending = step === "sending" && sent < 1;
  const done = isSending ? sent : total > 0 ? covered / total : undefined;
  return (
    <div role="status">
      <p class="hint">
        {isSending
          ? `Sending: ${Math.round(sent * 100)} %`
          : `${step === "importing" ? "Importing" : "Trying the file; nothing is stored yet"}${total > 0 ? `: ${count(covered)} of ${count(total)}` : "…"}`}
      </p>
      <progress aria-label="Progress" max={1} {...(done !== undefined && { value: done })} />
    </div>
  );
}

function Summary({ job, isMade }: { job: Job; isMade: boolean }) {
  const difference = job.difference ?? {};
  const rows: [string, number | undefined][] = [
    ["New", difference.added],
    ["Changed", difference.changed],
    ["Removed", difference.removed],
    ["Unchanged", difference.unchanged],
    ["Mended", repairs(job)],
    ["Left out", job.failed],
  ];
  return (
    <div>
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
      {!isMade && <Names difference={difference} />}
    </div>
  );
}

const MOST_NAMED = 100;

/** Which geofences would be touched, by name where they are known already. */
function Names({ difference: { added_ids = [], changed_ids = [], removed_ids = [] } }: { difference: Difference }) {
  const kinds: [string, string[]][] = [
    ["Removed", removed_ids],
    ["Changed", changed_ids],
    ["New", added_ids],
  ];
  const known = kinds.filter(([, ids]) => ids.length > 0);
  if (known.length === 0) return null;
  return (
    <details class="names">
      <summary>Which ones</summary>
      {known.map(([title, ids]) => (
        <p key={title}>
          <b>{title}:</b> {ids.slice(0, MOST_NAMED).map(geofenceName).join(", ")}
          {ids.length > MOST_NAMED && ` and ${count(ids.length - MOST_NAMED)} more`}
        </p>
      ))}
    </details>
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

// What was found in a file: what cannot be taken, what was mended and by how much, what to look at.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { count, words } from "../format";
import { csv, download } from "../ui/download";
import type { DocumentFault } from "../api/client";
import { type Job, openedRepair, type Repair, repairs } from "./job";

const MOST_SHOWN = 200;
const COLUMNS = ["index", "line", "pointer", "code", "detail"] as const;

export function Faults({ job: { errors = [], failed = 0 } }: { job: Job }) {
  return (
    <div class="refused" role="alert">
      <b>{failed === 1 ? "One feature is no geofence" : `${count(failed)} features are no geofences`}</b>
      <ol>
        {errors.slice(0, MOST_SHOWN).map((fault) => (
          <li key={`${fault.index} ${fault.pointer}`}>
            <Place of={fault} /> {fault.detail}
          </li>
        ))}
      </ol>
      <button class="quiet" type="button" onClick={() => save(errors)}>
        Download as CSV
      </button>
    </div>
  );
}

/** Each step can be looked at on the map: dashed as it was drawn, filled as it will be. */
export function Repairs({ job }: { job: Job }) {
  const { job_id, repairs: found = [] } = job;
  return (
    <section class="advice" aria-label="Repairs">
      <b>{repairs(job) === 1 ? "One thing was mended" : `${count(repairs(job))} things were mended`}</b>
      <ol class="repairs">
        {found.slice(0, MOST_SHOWN).map((repair) => (
          <RepairItem key={`${repair.index} ${repair.code}`} repair={repair} />
        ))}
      </ol>
      <More shown={found.length} href={`/v1/imports/${job_id}/repairs.csv`} />
    </section>
  );
}

function RepairItem({ repair }: { repair: Repair }) {
  const { id, code, detail } = repair;
  const text = (
    <>
      <Place of={repair} /> <b>{id}</b> {words(code).toLowerCase()}
      <span class="hint">
        {detail}
        {areaChange(repair)}
      </span>
    </>
  );
  if (!repair.before && !repair.after) return <li>{text}</li>;
  const isOpened = openedRepair.value === repair;
  return (
    <li>
      <button
        type="button"
        aria-pressed={isOpened}
        title="Show it on the map"
        onClick={() => (openedRepair.value = isOpened ? null : repair)}
      >
        {text}
      </button>
    </li>
  );
}

export function Warnings({ job: { job_id, warned = {}, warnings = [] } }: { job: Job }) {
  const times = Object.values(warned).reduce((sum, each) => sum + each, 0);
  return (
    <Folded title={times === 1 ? "One thing to look at" : `${count(times)} things to look at`}>
      <ol class="repairs">
        {warnings.slice(0, MOST_SHOWN).map((warning) => (
          <li key={`${warning.index} ${warning.code}`}>
            <Place of={warning} /> <b>{warning.id}</b> <span class="hint">{warning.detail}</span>
          </li>
        ))}
      </ol>
      <More shown={warnings.length} href={`/v1/imports/${job_id}/warnings.csv`} />
    </Folded>
  );
}

function Folded({ title, children }: { title: string; children: ComponentChildren }) {
  const isOpen = useSignal(false);
  return (
    <details class="advice" onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>
        <b>{title}</b>
      </summary>
      {isOpen.value && children}
    </details>
  );
}

function More({ shown, href }: { shown: number; href: string }) {
  return (
    <p class="more">
      <a href={href} download>
        Download as CSV
      </a>
      {shown > MOST_SHOWN && <span class="hint"> The first {count(MOST_SHOWN)} are shown.</span>}
    </p>
  );
}

function Place({ of: { line, index } }: { of: { line?: number | null; index?: number } }) {
  return <span class="chip">{line ? `line ${count(line)}` : `feature ${index ?? "?"}`}</span>;
}

/** ", 0 to 3,091 m²" or ", 12 % less area"; nothing where the area stays. */
function areaChange({ area_before_m2, area_after_m2, change_ratio }: Repair): string {
  if (Math.round(area_before_m2) === Math.round(area_after_m2)) return "; the area stays";
  if (change_ratio === null || Math.abs(change_ratio) > 1) {
    return `; ${count(area_before_m2)} to ${count(area_after_m2)} m²`;
  }
  const percent = Math.abs(change_ratio * 100);
  const said = percent < 0.1 ? "under 0.1" : percent.toFixed(percent < 10 ? 1 : 0);
  return `; ${said} % ${change_ratio < 0 ? "less" : "more"} area`;
}

function save(faults: readonly DocumentFault[]): void {
  const rows = faults.map((fault) => COLUMNS.map((column) => fault[column]));
  download("import-errors.csv", "text/csv", csv([COLUMNS, ...rows]));
}

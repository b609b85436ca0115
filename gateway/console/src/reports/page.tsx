// Reports: what an offer achieved, from the people it could have reached to what they did.

import { effect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import "../styles/reports.css";
import { geofenceName, load, loading, offerName, offers } from "../catalog";
import { gateName } from "../decisions/words";
import { count, words } from "../format";
import { csv, download } from "../ui/download";
import { Empty, Trouble } from "../ui/empty";
import { DayChart } from "./chart";
import { ConclusionsCard } from "./conclusions";
import { GroupChart } from "./groups";
import {
  choose,
  chosen,
  days,
  delivered,
  type Funnel,
  instant,
  problem,
  ranked,
  report,
  type Report,
  type Split,
  split,
  summarise,
  total,
} from "./state";

const SPANS: readonly [number, string][] = [
  [1, "Today"],
  [7, "7 days"],
  [30, "30 days"],
  [90, "90 days"],
];

const SPLITS: readonly [Split, string][] = [
  ["day", "By day"],
  ["geofence", "By store"],
  ["variant", "By variant"],
];

export function ReportsPage() {
  useEffect(() => {
    const stops = [
      effect(() => {
        if (loading.value === "ready" && days.value) void summarise();
      }),
      effect(() => {
        if (chosen.value && days.value && split.value) void choose();
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }, []);
  if (loading.value instanceof Error) return <Trouble problem={loading.value} retry={() => void load()} />;
  if (loading.value === "ready" && offers.value.size === 0) {
    return (
      <Empty title="Nothing to report yet">
        <p>Reports count what becomes of each offer. Write and activate one first.</p>
      </Empty>
    );
  }
  return (
    <div class="reports">
      <List />
      <section class="report" aria-label="Report">
        {problem.value && <Trouble problem={problem.value} retry={() => void summarise()} />}
        {report.value && <Shown report={report.value} />}
      </section>
    </div>
  );
}

function List() {
  return (
    <nav class="offer-list" aria-label="Offers">
      <header class="panel-head">
        <h2>Reports</h2>
        <select
          aria-label="Span"
          value={days.value}
          onChange={(event) => (days.value = Number(event.currentTarget.value))}
        >
          {SPANS.map(([span, label]) => (
            <option key={span} value={span}>
              {label}
            </option>
          ))}
        </select>
      </header>
      <ul class="rows">
        {ranked.value.map(({ id }) => (
          <li key={id}>
            <button type="button" aria-current={chosen.value === id} onClick={() => (chosen.value = id)}>
              <b>{offerName(id)}</b>
              <span>{count(delivered(id))} delivered</span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Shown({ report: shown }: { report: Report }) {
  return (
    <>
      <header class="report-head">
        <h1>{offerName(shown.offer_id)}</h1>
        <div class="line">
          <div class="segments" role="group" aria-label="Split">
            {SPLITS.map(([name, label]) => (
              <button key={name} type="button" aria-pressed={split.value === name} onClick={() => (split.value = name)}>
                {label}
              </button>
            ))}
          </div>
          <button class="quiet" type="button" onClick={() => save(shown)}>
            Download CSV
          </button>
        </div>
      </header>
      <Steps funnel={shown.total} />
      {shown.conclusions && <ConclusionsCard conclusions={shown.conclusions} />}
      {split.value === "day" ? <DayChart report={shown} /> : <GroupChart report={shown} named={named} />}
      <Table report={shown} />
    </>
  );
}

function Steps({ funnel }: { funnel: Funnel }) {
  const matched = funnel.matched ?? 0;
  const steps: [string, number, number][] = [
    ["Matched", matched, matched],
    ["Claimed", funnel.claimed ?? 0, matched],
    ["Delivered", funnel.delivered ?? 0, funnel.claimed ?? 0],
    ["Opened", funnel.opened ?? 0, funnel.delivered ?? 0],
    ["Visited", funnel.visited ?? 0, funnel.claimed ?? 0],
    ["Converted", funnel.converted ?? 0, funnel.delivered ?? 0],
  ];
  return (
    <div class="card steps">
      <dl>
        {steps.map(([label, amount, of]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <b>{count(amount)}</b>
              {of > 0 && of !== amount && <span class="hint">{percent(amount / of)}</span>}
            </dd>
            <meter aria-hidden="true" min={0} max={Math.max(matched, 1)} value={amount} />
          </div>
        ))}
      </dl>
      <p class="hint">
        {total(funnel.refused) > 0 && <>Held back: {byReason(funnel.refused, gateName)}. </>}
        {(funnel.held_out ?? 0) > 0 && <>Held out to measure against: {count(funnel.held_out!)}. </>}
        {total(funnel.undelivered) > 0 && <>Not delivered: {byReason(funnel.undelivered, words)}. </>}
        {(funnel.revenue ?? 0) > 0 && <>Revenue {count(funnel.revenue!)}. </>}
        {(funnel.opted_out ?? 0) > 0 && <>Opted out {count(funnel.opted_out!)}. </>}
        {funnel.is_suppressed && <>Fewer than ten pushes: what people did with them is not shown.</>}
        {matched === 0 && <>Nobody matched this offer in this span. The simulator shows why not.</>}
      </p>
    </div>
  );
}

const COLUMNS = [
  "matched",
  "claimed",
  "delivered",
  "opened",
  "visited",
  "converted",
  "purchased",
  "opted_out",
  "revenue",
] as const;

function Table({ report: { rows } }: { report: Report }) {
  const heading = { day: "Day (UTC)", geofence: "Store", variant: "Variant" }[split.value];
  if (rows.length === 0) return null;
  return (
    <div class="card table" tabIndex={0} role="region" aria-label="Rows">
      <table>
        <thead>
          <tr>
            <th scope="col">{heading}</th>
            {COLUMNS.map((column) => (
              <th scope="col" key={column}>
                {words(column)}
              </th>
            ))}
            <th scope="col">Held back</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, funnel }) => (
            <tr key={key}>
              <th scope="row">{named(key)}</th>
              {COLUMNS.map((column) => (
                <td key={column}>
                  {funnel.is_suppressed && COLUMNS.indexOf(column) > 2 ? "<10" : count(funnel[column] ?? 0)}
                </td>
              ))}
              <td>{count(total(funnel.refused))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function named(key: string): string {
  if (split.value === "day") return new Date(instant(key)).toISOString().slice(0, 10);
  if (split.value === "geofence") return geofenceName(key) || "None";
  return key || "No variant";
}

function byReason(counts: Record<string, number> | undefined, name: (reason: string) => string): string {
  return Object.entries(counts ?? {})
    .sort(([, a], [, b]) => b - a)
    .map(([reason, times]) => `${name(reason).toLowerCase()} ${count(times)}`)
    .join(", ");
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} %`;
}

function save({ offer_id, rows }: Report): void {
  const gates = [...new Set(rows.flatMap(({ funnel }) => Object.keys(funnel.refused ?? {})))].sort();
  const lines = rows.map(({ key, funnel }) => [
    key,
    ...COLUMNS.map((column) => funnel[column] ?? 0),
    ...gates.map((gate) => funnel.refused?.[gate] ?? 0),
  ]);
  const head = [split.value, ...COLUMNS, ...gates.map((gate) => `refused_${gate}`)];
  download(`${offer_id}-by-${split.value}.csv`, "text/csv", csv([head, ...lines]));
}

// Stores or variants side by side: how many got the push, and what share of them opened it.

import { count } from "../format";
import type { Report, Row } from "./state";

const MOST_SHOWN = 15;

export function GroupChart({ report, named }: { report: Report; named: (key: string) => string }) {
  const rows = report.rows
    .filter(({ funnel }) => (funnel.delivered ?? 0) > 0)
    .sort((a, b) => b.funnel.delivered! - a.funnel.delivered!);
  if (rows.length === 0) return null;
  const most = rows[0]!.funnel.delivered!;
  return (
    <div class="card groups">
      <ol aria-label="Delivered, the most first">
        {rows.slice(0, MOST_SHOWN).map((row) => (
          <GroupBar key={row.key} row={row} name={named(row.key)} most={most} />
        ))}
      </ol>
      {rows.length > MOST_SHOWN && <p class="hint">And {count(rows.length - MOST_SHOWN)} more, in the table.</p>}
    </div>
  );
}

function GroupBar({ row: { funnel }, name, most }: { row: Row; name: string; most: number }) {
  const { delivered = 0, opened = 0, is_suppressed } = funnel;
  return (
    <li>
      <span>{name}</span>
      <meter aria-hidden="true" min={0} max={most} value={delivered} />
      <span>
        <b>{count(delivered)}</b>{" "}
        <span class="hint">
          {is_suppressed ? "too few to tell more" : `${Math.round((opened / delivered) * 100)} % opened`}
        </span>
      </span>
    </li>
  );
}

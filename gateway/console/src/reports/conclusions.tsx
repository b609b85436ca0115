// What the figures allow to say, and what forbids it: rates with their intervals, lift, alarms, the better variant.

import { count } from "../format";
import type { Conclusions, Interval } from "./state";

const ALARMS: Record<string, string> = {
  sample_ratio_mismatch: "People were not split over the variants as planned: do not read results off.",
};

export function ConclusionsCard({ conclusions }: { conclusions: Conclusions }) {
  const { rates, lift, visit_lift, added_revenue, alarms, winner } = conclusions;
  const facts: [string, Interval | null][] = [
    ["Opened", rates.opened],
    ["Converted", rates.converted],
    ["Opted out", rates.opted_out],
    ["More visits than held out", visit_lift],
    ["More purchases than held out", lift],
  ];
  const known = facts.filter((fact): fact is [string, Interval] => fact[1] !== null);
  if (known.length === 0 && alarms.length === 0 && !winner) return null;
  return (
    <section class="card conclusions" aria-label="What this allows to say">
      {winner && (
        <p>
          <b>Variant {winner} is better,</b> beyond what chance explains.
        </p>
      )}
      {alarms.map((alarm) => (
        <p class="fault" key={alarm}>
          {ALARMS[alarm] ?? alarm}
        </p>
      ))}
      <dl>
        {known.map(([label, { estimate, low, high }]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <b>{percent(estimate)}</b> <span class="hint">{`${percent(low)} to ${percent(high)}`}</span>
            </dd>
          </div>
        ))}
        {added_revenue !== null && (
          <div>
            <dt>Spent beyond held out</dt>
            <dd>
              <b>{count(added_revenue)}</b> <span class="hint">believe it as far as the purchases</span>
            </dd>
          </div>
        )}
      </dl>
      <p class="hint">
        Of what was delivered, or claimed where held-out people are compared; the range holds the true rate 19 times in
        20.
      </p>
    </section>
  );
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(Math.abs(ratio) < 0.1 ? 1 : 0)} %`;
}

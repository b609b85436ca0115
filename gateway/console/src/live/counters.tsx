// The figures: traffic now, and what became of it since the page was opened.

import { count, rate } from "../format";
import { counters, traffic } from "./state";
import { gateName, providerName } from "../decisions/words";

export function CountersPanel() {
  const { pingsPerS, usersPresent, pingsHistory, usersHistory } = traffic.value;
  const { pushes, failed, refusals } = counters.value;
  const accepted = total(pushes);
  return (
    <section class="panel at-left counters" aria-label="Figures">
      <Figure label="Pings per second" value={rate(pingsPerS)} history={pingsHistory} />
      <Figure label="Users present" value={count(usersPresent)} history={usersHistory} tone="present" />
      <div class="tally" data-tone="push">
        <h2>
          Pushes <b>{count(accepted)}</b>
        </h2>
        <dl>
          {Object.entries({ apns: 0, fcm: 0, ...pushes }).map(([provider, times]) => (
            <div key={provider}>
              <dt>{providerName(provider)}</dt>
              <dd>{count(times)}</dd>
            </div>
          ))}
          {failed > 0 && (
            <div>
              <dt>Failed</dt>
              <dd>{count(failed)}</dd>
            </div>
          )}
        </dl>
      </div>
      <Refusals refusals={refusals} />
    </section>
  );
}

function Refusals({ refusals }: { refusals: Readonly<Record<string, number>> }) {
  const sorted = Object.entries(refusals).sort(([, a], [, b]) => b - a);
  const most = Math.max(1, ...Object.values(refusals));
  return (
    <div class="tally">
      <h2>
        Held back <b>{count(total(refusals))}</b>
      </h2>
      <dl>
        {sorted.map(([gate, times]) => (
          <div key={gate}>
            <dt>{gateName(gate)}</dt>
            <dd>{count(times)}</dd>
            <meter aria-hidden="true" min={0} max={most} value={times} />
          </div>
        ))}
      </dl>
      {sorted.length === 0 && <p class="hint">Nothing was held back since you opened this page.</p>}
    </div>
  );
}

interface FigureProps {
  label: string;
  value: string;
  history: readonly number[];
  tone?: "present";
}

function Figure({ label, value, history, tone }: FigureProps) {
  return (
    <div class="figure" data-tone={tone}>
      <h2>{label}</h2>
      <b>{value}</b>
      <Sparkline values={history} />
    </div>
  );
}

const WIDTH = 112;
const HEIGHT = 26;
const POINTS = 60;

function Sparkline({ values }: { values: readonly number[] }) {
  const most = Math.max(1, ...values);
  const step = WIDTH / (POINTS - 1);
  const left = WIDTH - step * (values.length - 1);
  const at = (value: number, index: number): string =>
    `${(left + index * step).toFixed(1)} ${(HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1)}`;
  const line = values.length > 1 ? `M${values.map(at).join("L")}` : "";
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      {line && <path class="spark-fill" d={`${line}V${HEIGHT}H${left.toFixed(1)}Z`} />}
      <path class="spark-line" d={line} />
    </svg>
  );
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, each) => sum + each, 0);
}

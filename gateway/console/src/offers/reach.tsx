// How many people the offer would reach in a week, from who came by lately; asked a moment after each change.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, Problem } from "../api/client";
import { count } from "../format";
import { draft, faults } from "./state";

interface Reach {
  users_per_week: number;
  low: number;
  high: number;
  pushes_per_week: number;
  geofences: number;
  basis_days: number;
  entering_per_week: number;
  running_share: number;
  consent_share: number | null;
  treated_share: number;
  notes: string[];
}

const ASKED_AFTER_MS = 700;
/** What no estimate depends on: who only rewords need not ask anew. */
const WORDS = ["id", "name", "messages", "status", "review", "version", "author"];

export function ReachPanel() {
  const found = useSignal<Reach | Problem | null>(null);
  const kept = Object.entries(draft.value!.offer).filter(([member]) => !WORDS.includes(member));
  const asked = JSON.stringify(Object.fromEntries(kept));
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      call<Reach>("/v1/reach", { method: "POST", json: JSON.parse(asked) as unknown, signal: abort.signal }).then(
        ({ body }) => (found.value = body),
        (error: unknown) => {
          if (abort.signal.aborted) return;
          if (!(error instanceof Problem)) throw error;
          found.value = error;
        },
      );
    }, ASKED_AFTER_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [asked]);
  return (
    <section class="reach" aria-label="Reach">
      <h3>Whom it would reach</h3>
      {found.value === null && <p class="hint">Estimating…</p>}
      {found.value instanceof Problem && (
        <p class="hint">
          {faults.value.length > 0 ? "Estimated once the offer is without faults." : found.value.detail}
        </p>
      )}
      {found.value && !(found.value instanceof Problem) && <Estimate reach={found.value} />}
    </section>
  );
}

function Estimate({ reach }: { reach: Reach }) {
  const { users_per_week, low, high, pushes_per_week, entering_per_week, running_share, consent_share } = reach;
  const steps: [string, string][] = [
    ["Enter its stores", count(entering_per_week)],
    ["While it runs", percent(running_share)],
    ["Agreed to pushes", consent_share === null ? "not known yet" : percent(consent_share)],
    ["Not held out", percent(reach.treated_share)],
  ];
  return (
    <>
      <p class="reach-users">
        <b>{count(users_per_week)}</b> people a week
      </p>
      <p class="hint">
        {users_per_week > 0 &&
          `${count(low)} to ${count(high)} by the weeks seen; about ${count(pushes_per_week)} pushes.`}
      </p>
      {entering_per_week > 0 && (
        <dl class="facts">
          {steps.map(([label, text]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
      )}
      {reach.notes.length > 0 && (
        <ul class="notes hint">
          {reach.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

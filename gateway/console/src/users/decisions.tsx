// The latest decisions about one user, newest first.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, Problem } from "../api/client";
import type { DecisionTrace } from "../api/types";
import { CandidateItem, happened } from "../decisions/candidate";
import { dateAndYear } from "../format";

const SHOWN = 20;

export function Decisions({ userId }: { userId: string }) {
  const found = useSignal<readonly DecisionTrace[] | Problem | null>(null);
  useEffect(() => {
    call<{ items: DecisionTrace[] }>(`/v1/users/${encodeURIComponent(userId)}/decisions?limit=${SHOWN}`).then(
      ({ body }) => (found.value = body.items),
      (error: unknown) => {
        if (!(error instanceof Problem)) throw error;
        found.value = error;
      },
    );
  }, [userId]);
  if (found.value === null) return null;
  return (
    <section class="card">
      <h3>Decisions</h3>
      {found.value instanceof Problem ? (
        <p class="fault">{found.value.detail}</p>
      ) : found.value.length === 0 ? (
        <p class="hint">No decision about this user is kept. Traces are forgotten after some days.</p>
      ) : (
        <ol class="decisions">
          {found.value.map((decision) => (
            <li key={decision.at_ms}>
              <p>
                {decision.candidates[0]?.transition && happened(decision.candidates[0].transition)}{" "}
                <span class="hint">{dateAndYear(decision.at_ms)}</span>
              </p>
              {decision.candidates.map((candidate) => (
                <CandidateItem key={`${candidate.offer_id} ${candidate.geofence_id}`} candidate={candidate} />
              ))}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

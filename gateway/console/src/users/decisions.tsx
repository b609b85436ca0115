// The latest decisions about one user, newest first.

import { Problem } from "../api/client";
import { CandidateItem, happened } from "../decisions/candidate";
import { dateAndYear } from "../format";
import { decisions } from "./state";

export function Decisions() {
  const found = decisions.value;
  if (found === null) return null;
  return (
    <section class="card" aria-label="Decisions">
      <h3>Decisions</h3>
      {found instanceof Problem ? (
        <p class="fault">{found.detail}</p>
      ) : found.length === 0 ? (
        <p class="hint">No decision about this user is kept. Traces are forgotten after some days.</p>
      ) : (
        <ol class="decisions">
          {found.map((decision) => (
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

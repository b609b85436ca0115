// A decision to read: what happened, and for each offer that it touched every gate's verdict.

import type { Candidate, Transition, Verdict } from "../api/types";
import { geofenceName, offerName } from "../catalog";
import { duration, words } from "../format";
import { gateName, readableDays, reason, said } from "./words";

/** A transition in words. */
export function happened({ kind, geofence_id, duration_ms, dwell_s, distance_m, reason: why }: Transition) {
  const store = <b>{geofenceName(geofence_id)}</b>;
  if (kind === "enter") return <>Enters {store}</>;
  if (kind === "exit")
    return (
      <>
        Leaves {store}
        {duration_ms ? ` after ${duration(duration_ms)}` : ""}
        {why === "timeout" ? " (silence)" : ""}
      </>
    );
  if (kind === "dwell")
    return (
      <>
        Has stayed {duration((dwell_s ?? 0) * 1_000)} at {store}
      </>
    );
  if (kind === "nearby")
    return (
      <>
        Is {Math.round(distance_m ?? 0)} m from {store}
      </>
    );
  if (kind === "pass_by") return <>Passes {store}</>;
  return <>Is most likely in {store}</>;
}

/** One offer of a decision: what became of it and why, with all gates to open. */
export function CandidateItem({ candidate }: { candidate: Candidate }) {
  const refused = candidate.verdicts.find(({ passed }) => !passed);
  return (
    <details class="candidate" data-sent={!refused && !candidate.held_out}>
      <summary>
        {refused ? (
          <>
            <b>{offerName(candidate.offer_id)}</b> <span class="chip">{gateName(refused.gate ?? "")}</span>
            <span class="why">{reason(refused)}</span>
            <span class="at">{geofenceName(candidate.geofence_id)}</span>
          </>
        ) : (
          <>
            <span class="chip sent">{candidate.held_out ? "Held out, counted only" : "Push"}</span>{" "}
            <b>{candidate.message?.title ?? offerName(candidate.offer_id)}</b>
            <span class="why">{candidate.message?.body}</span>
          </>
        )}
      </summary>
      <Gates verdicts={candidate.verdicts} />
    </details>
  );
}

function Gates({ verdicts }: { verdicts: readonly Verdict[] }) {
  return (
    <table class="gates">
      <thead class="unseen">
        <tr>
          <th scope="col">Gate</th>
          <th scope="col">Verdict</th>
        </tr>
      </thead>
      <tbody>
        {verdicts.map((verdict) => (
          <tr key={verdict.gate} data-passed={verdict.passed}>
            <th scope="row">{words(verdict.gate ?? "")}</th>
            <td>{verdict.passed ? passed(verdict) : reason(verdict)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function passed({ gate, rule, actual, required }: Verdict): string {
  if (rule === "accuracy_m") return `passed: good to ${said(actual)} m, ${said(required)} m would do`;
  if (gate === "experiment" && rule) return `passed: ${words(rule).toLowerCase()} ${said(actual)}`;
  return typeof actual === "string" ? `passed: ${readableDays(actual)}` : "passed";
}

// What the walk led to, moment by moment, with every gate's verdict to open.

import { computed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Verdict } from "../api/types";
import { geofenceName, offerName } from "../catalog";
import { gateName, readableDays, reason, said } from "../decisions/words";
import { count, duration, timeOfDay, words } from "../format";
import { Icon } from "../shell/icon";
import { type Candidate, eventful, forget, isPlaying, type Moment, nowMs, play, position, type Transition, walk } from "./state";

const IGNORED: Record<string, string> = {
  out_of_order: "This ping is older than one before it, so it is left out.",
  duplicate: "This ping came twice.",
  stale: "This ping is too old to act on.",
  mock: "The phone says that this position is made up.",
  outlier: "Nobody travels this fast: the position is left out unless the next one confirms it.",
  future: "This ping is from the future.",
};

const pushes = computed(() => eventful.value.reduce((sum, moment) => sum + (moment.pushes?.length ?? 0), 0));
const refusals = computed(() =>
  eventful.value.reduce((sum, moment) => sum + (moment.candidates?.filter((c) => c.refused_by).length ?? 0), 0),
);

export function Outcome() {
  return (
    <div class="editor">
      <header class="panel-head">
        <h2>
          {count(pushes.value)} {pushes.value === 1 ? "push" : "pushes"}
          <span class="hint"> · {count(refusals.value)} held back</span>
        </h2>
        <button class="plain" type="button" onClick={forget}>
          Change the walk
        </button>
      </header>
      <Player />
      {eventful.value.length === 0 ? (
        <div class="empty">
          <h2>Nothing happened</h2>
          <p>The walk touched no store, or was too short to be sure of one. Walk through a store, or stay in it.</p>
        </div>
      ) : (
        <ol class="items moments" tabIndex={0} aria-label="What happened">
          {eventful.value.map((moment) => (
            <MomentItem key={`${moment.at_ms} ${moment.ping}`} moment={moment} />
          ))}
        </ol>
      )}
    </div>
  );
}

function Player() {
  return (
    <div class="player">
      <button
        class="quiet"
        type="button"
        aria-label={isPlaying.value ? "Pause" : "Play"}
        onClick={() => (isPlaying.value ? (isPlaying.value = false) : play())}
      >
        <Icon name={isPlaying.value ? "pause" : "play"} />
      </button>
      <input
        type="range"
        aria-label="Place in the walk"
        aria-valuetext={timeOfDay(nowMs.value)}
        min={0}
        max={walk.value.length - 1}
        step={1}
        value={position.value}
        onInput={(event) => {
          isPlaying.value = false;
          position.value = event.currentTarget.valueAsNumber;
        }}
      />
      <time>{timeOfDay(nowMs.value)}</time>
    </div>
  );
}

function MomentItem({ moment }: { moment: Moment }) {
  const item = useRef<HTMLLIElement>(null);
  const hasCome = moment.at_ms <= nowMs.value;
  useEffect(() => {
    if (hasCome && isPlaying.value) item.current?.scrollIntoView({ block: "nearest" });
  }, [hasCome]);
  return (
    <li ref={item} data-come={hasCome}>
      <time>{timeOfDay(moment.at_ms)}</time>
      <div>
        {moment.ignored && <p>{IGNORED[moment.ignored] ?? words(moment.ignored)}</p>}
        {moment.transitions?.map((transition) => (
          <p key={`${transition.kind} ${transition.geofence_id}`}>{happened(transition)}</p>
        ))}
        {moment.candidates?.map((candidate) => (
          <CandidateItem key={`${candidate.offer_id} ${candidate.geofence_id}`} candidate={candidate} />
        ))}
      </div>
    </li>
  );
}

function happened({ kind, geofence_id, duration_ms, dwell_s, distance_m, reason: why }: Transition) {
  const store = <b>{geofenceName(geofence_id)}</b>;
  if (kind === "enter") return <>Enters {store}</>;
  if (kind === "exit") return <>Leaves {store}{duration_ms ? ` after ${duration(duration_ms)}` : ""}{why === "timeout" ? " (silence)" : ""}</>;
  if (kind === "dwell") return <>Has stayed {duration((dwell_s ?? 0) * 1_000)} at {store}</>;
  if (kind === "nearby") return <>Is {Math.round(distance_m ?? 0)} m from {store}</>;
  if (kind === "pass_by") return <>Passes {store}</>;
  return <>Is most likely in {store}</>;
}

function CandidateItem({ candidate }: { candidate: Candidate }) {
  const refused = candidate.verdicts.find(({ passed }) => !passed);
  return (
    <details class="candidate" data-sent={!refused && !candidate.held_out}>
      <summary>
        {refused ? (
          <>
            <b>{offerName(candidate.offer_id)}</b> <span class="chip">{gateName(refused.gate ?? "")}</span>
            <span class="why">{reason(refused)}</span>
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
            <td>
              {verdict.passed ? passed(verdict) : reason(verdict)}
            </td>
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

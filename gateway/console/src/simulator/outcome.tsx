// What the walk led to, moment by moment, with every gate's verdict to open.

import { computed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { CandidateItem, happened } from "../decisions/candidate";
import { count, timeOfDay, words } from "../format";
import { Icon } from "../shell/icon";
import { eventful, forget, isPlaying, type Moment, nowMs, play, position, walk } from "./state";

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

// The feed: each push as the shopper sees it, each refusal with its reason.

import { computed, effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { geofenceName, geofences, load, loading, offerName } from "../catalog";
import { timeOfDay } from "../format";
import { Icon } from "../shell/icon";
import { Trouble } from "../ui/empty";
import { NoDecisions, NoStores } from "./lessons";
import { linesOf, type PushLine, type RefusalLine } from "./lines";
import { chosenStore, feed, type FeedItem, opened, stream } from "./state";
import { PushCard } from "./push-card";
import { StoreCard } from "./store-card";
import { idOf, Trace } from "./trace";
import { gateName, reason } from "../decisions/words";

type Filter = "all" | "push" | "refusal";

const FILTERS: readonly [Filter, string][] = [
  ["all", "All"],
  ["push", "Pushes"],
  ["refusal", "Held back"],
];

const filter = signal<Filter>("all");
/** The feed as it was when the reader stopped it, or null while it runs. */
const held = signal<readonly FeedItem[] | null>(null);

const shown = computed(() =>
  linesOf(
    (held.value ?? feed.value).filter(
      (item) =>
        (filter.value === "all" || item.kind === filter.value) &&
        (chosenStore.value === null || item.event.geofence_id === chosenStore.value),
    ),
    filter.value === "refusal" || chosenStore.value !== null,
  ),
);

export function FeedPanel() {
  return (
    <section class="panel at-right side" aria-label="Pushes and refusals">
      <header class="feed-head">
        <div class="segments" role="group" aria-label="Show">
          {FILTERS.map(([value, label]) => (
            <button type="button" aria-pressed={filter.value === value} onClick={() => (filter.value = value)}>
              {label}
            </button>
          ))}
        </div>
        <button
          class="plain"
          type="button"
          aria-pressed={held.value !== null}
          onClick={() => (held.value = held.value === null ? feed.value : null)}
        >
          <Icon name={held.value === null ? "pause" : "play"} /> {held.value === null ? "Hold" : "Run"}
        </button>
      </header>
      {opened.value ? (
        <Trace key={idOf(opened.value)} event={opened.value} />
      ) : (
        <>
          <StoreCard />
          <Items />
        </>
      )}
      <Announcer />
    </section>
  );
}

function Items() {
  const state = stream.value;
  if (loading.value instanceof Error) return <Trouble problem={loading.value} retry={() => void load()} />;
  if (state.phase === "refused") return <Trouble problem={state.problem} retry={() => location.reload()} />;
  if (loading.value === "ready" && geofences.value.size === 0) return <NoStores />;
  if (shown.value.length === 0) return <NoDecisions atStore={chosenStore.value !== null} />;
  return (
    <ol class="items" tabIndex={0} aria-label="Newest first">
      {shown.value.map((line) => (
        <li key={line.id}>{line.kind === "push" ? <Push line={line} /> : <Refusal line={line} />}</li>
      ))}
    </ol>
  );
}

function Push({ line: { event } }: { line: PushLine }) {
  const open = (): void => {
    chosenStore.value = event.geofence_id;
    opened.value = event;
  };
  return (
    <button class="push" type="button" onClick={open}>
      <PushCard event={event} />
    </button>
  );
}

function Refusal({ line: { event, times, stores, offers } }: { line: RefusalLine }) {
  const open = (): void => {
    chosenStore.value = event.geofence_id;
    if (event.decision_id) opened.value = event;
  };
  return (
    <button class="refusal" type="button" onClick={open}>
      <span class="refusal-top">
        <b>{gateName(event.gate ?? "unknown")}</b>
        {times > 1 && <span class="times">{times} times</span>}
        <time>{timeOfDay(event.at_ms)}</time>
      </span>
      <span class="refusal-why">{reason(event)}</span>
      <span class="refusal-what">
        {offers.size > 1 ? `${offers.size} offers` : offerName(event.offer_id)} ·{" "}
        {stores.size > 1 ? `${stores.size} stores` : geofenceName(event.geofence_id)}
      </span>
    </button>
  );
}

const ANNOUNCED_EVERY_MS = 15_000;
const announcement = signal("");

/** Tells a screen reader now and then how much has happened, rather than reading out a torrent. */
function Announcer() {
  useEffect(() => {
    let pushes = 0;
    let refusals = 0;
    let newest = 0;
    const stop = effect(() => {
      for (const item of feed.value) {
        if (item.id <= newest) break;
        if (item.kind === "push") pushes += 1;
        else refusals += 1;
      }
      newest = Math.max(newest, ...feed.value.slice(0, 1).map(({ id }) => id));
    });
    const timer = setInterval(() => {
      if (pushes + refusals === 0) return;
      announcement.value = `${pushes} pushes sent, ${refusals} held back.`;
      pushes = refusals = 0;
    }, ANNOUNCED_EVERY_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, []);
  return (
    <p class="unseen" aria-live="polite">
      {announcement.value}
    </p>
  );
}

// What the Live page knows: a bounded feed, counters since the page was opened, the last minute of traffic.
//
// Events may come by the hundred per second. They are gathered and shown a few times a second, so that the
// cost of drawing does not grow with the traffic.

import { signal } from "@preact/signals";
import type { ActivityEvent, DecisionEvent, DeliveryEvent, PresenceEvent, TransitionEvent } from "../api/types";
import { follow, type StreamState } from "../api/stream";

/** Refusals outnumber pushes by far; each kind has its own room, so that pushes are not crowded out. */
const KEPT = { push: 100, refusal: 600 } as const;
const SHOWN_EVERY_MS = 250;
const HISTORY_S = 60;

export interface PushItem {
  kind: "push";
  id: number;
  event: DeliveryEvent;
}

export interface RefusalItem {
  kind: "refusal";
  id: number;
  event: DecisionEvent;
}

export type FeedItem = PushItem | RefusalItem;

export interface Counters {
  pushes: Readonly<Record<string, number>>;
  failed: number;
  refusals: Readonly<Record<string, number>>;
}

export interface Traffic {
  pingsPerS: number;
  usersPresent: number;
  pingsHistory: readonly number[];
  usersHistory: readonly number[];
}

const NO_COUNTS: Counters = { pushes: {}, failed: 0, refusals: {} };
const NO_TRAFFIC: Traffic = { pingsPerS: 0, usersPresent: 0, pingsHistory: [], usersHistory: [] };

export const stream = signal<StreamState>({ phase: "connecting" });
/** Newest first. */
export const feed = signal<readonly FeedItem[]>([]);
export const counters = signal<Counters>(NO_COUNTS);
export const traffic = signal<Traffic>(NO_TRAFFIC);
export const cells = signal<Readonly<Record<string, number>>>({});
/** The store whose events are looked at, chosen on the map or in the feed. */
export const chosenStore = signal<string | null>(null);
/** The push, or what was held back, whose decision is being read. */
export const opened = signal<DeliveryEvent | DecisionEvent | null>(null);
/** The pushes and refusals of the last moment, for the map to mark. */
export const moment = signal<readonly FeedItem[]>([]);

/** The geofences that someone entered in the last moment. */
export const entered = signal<readonly string[]>([]);

let nextId = 1;
let waiting: ActivityEvent[] = [];

/** Follows the gateway's activity until the returned function is called. */
export function start(): () => void {
  const unfollow = follow("/v1/activity", {
    event: (_name, data) => waiting.push(JSON.parse(data) as ActivityEvent),
    state: (state) => (stream.value = state),
  });
  const timer = setInterval(show, SHOWN_EVERY_MS);
  return () => {
    unfollow();
    clearInterval(timer);
    waiting = [];
    feed.value = [];
    counters.value = NO_COUNTS;
    traffic.value = NO_TRAFFIC;
    cells.value = {};
  };
}

function show(): void {
  if (waiting.length === 0) return;
  const events = waiting;
  waiting = [];
  const items: FeedItem[] = [];
  for (const event of events) {
    if (event.type === "presence") present(event);
    else if (event.type === "delivery") items.push({ kind: "push", id: nextId++, event });
    else if (event.type === "decision" && event.outcome === "refused") {
      items.push({ kind: "refusal", id: nextId++, event });
    }
  }
  const entries = events.filter((event) => event.type === "transition" && event.kind === "enter");
  if (entries.length > 0) entered.value = entries.map((event) => (event as TransitionEvent).geofence_id);
  if (items.length === 0) return;
  counters.value = items.reduce(counted, counters.value);
  feed.value = bounded([...items.toReversed(), ...feed.value]);
  moment.value = items;
}

function present(event: PresenceEvent): void {
  const { pingsHistory, usersHistory } = traffic.value;
  traffic.value = {
    pingsPerS: event.pings_per_s,
    usersPresent: event.users_present,
    pingsHistory: [...pingsHistory, event.pings_per_s].slice(-HISTORY_S),
    usersHistory: [...usersHistory, event.users_present].slice(-HISTORY_S),
  };
  cells.value = event.cells;
}

function bounded(items: readonly FeedItem[]): FeedItem[] {
  const left: Record<FeedItem["kind"], number> = { ...KEPT };
  return items.filter(({ kind }) => left[kind]-- > 0);
}

function counted(counts: Counters, item: FeedItem): Counters {
  if (item.kind === "refusal") {
    return { ...counts, refusals: plusOne(counts.refusals, item.event.gate ?? "unknown") };
  }
  if (item.event.status === "accepted") return { ...counts, pushes: plusOne(counts.pushes, item.event.provider) };
  return { ...counts, failed: counts.failed + 1 };
}

function plusOne(counts: Readonly<Record<string, number>>, name: string): Record<string, number> {
  return { ...counts, [name]: (counts[name] ?? 0) + 1 };
}

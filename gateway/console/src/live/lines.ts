// The feed as lines: pushes one by one, refusals that say the same within a minute as one line with a count.
//
// A line stays where its first event put it, so that a busy feed can still be read.

import type { DecisionEvent, DeliveryEvent } from "../api/types";
import type { FeedItem } from "./state";

const SAME_REFUSAL_MS = 60_000;
const MOST_LINES = 60;

export interface PushLine {
  kind: "push";
  id: number;
  event: DeliveryEvent;
}

/** `event` is the newest; `stores` and `offers` are all those of which the same was said. */
export interface RefusalLine {
  kind: "refusal";
  id: number;
  event: DecisionEvent;
  times: number;
  stores: Set<string>;
  offers: Set<string>;
}

export type FeedLine = PushLine | RefusalLine;

/** `items` and the lines are newest first; with `byOffer` each offer's refusals stand apart. */
export function linesOf(items: readonly FeedItem[], byOffer: boolean): FeedLine[] {
  const lines: FeedLine[] = [];
  const open = new Map<string, { line: RefusalLine; sinceMs: number }>();
  for (const item of items.toReversed()) {
    if (item.kind === "push") {
      lines.push(item);
      continue;
    }
    const { id, event } = item;
    const sameness = JSON.stringify([event.gate, event.rule, byOffer && event.offer_id]);
    let twin = open.get(sameness);
    if (!twin || event.at_ms - twin.sinceMs >= SAME_REFUSAL_MS) {
      twin = {
        line: { kind: "refusal", id, event, times: 0, stores: new Set(), offers: new Set() },
        sinceMs: event.at_ms,
      };
      open.set(sameness, twin);
      lines.push(twin.line);
    }
    const { line } = twin;
    line.event = event;
    line.times += 1;
    line.stores.add(event.geofence_id);
    line.offers.add(event.offer_id);
  }
  return lines.reverse().slice(0, MOST_LINES);
}

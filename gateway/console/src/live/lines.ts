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

/** `event` is the newest; `stores` are all those at which the same was refused. */
export interface RefusalLine {
  kind: "refusal";
  id: number;
  event: DecisionEvent;
  times: number;
  stores: ReadonlySet<string>;
}

export type FeedLine = PushLine | RefusalLine;

/** `items` and the lines are newest first. */
export function linesOf(items: readonly FeedItem[]): FeedLine[] {
  const lines: FeedLine[] = [];
  const open = new Map<string, { line: RefusalLine; at: number; sinceMs: number }>();
  for (const item of items.toReversed()) {
    if (item.kind === "push") {
      lines.push(item);
      continue;
    }
    const { event } = item;
    const sameness = JSON.stringify([event.offer_id, event.gate, event.rule]);
    const twin = open.get(sameness);
    if (twin && event.at_ms - twin.sinceMs < SAME_REFUSAL_MS) {
      const { line } = twin;
      twin.line = { ...line, event, times: line.times + 1, stores: new Set([...line.stores, event.geofence_id]) };
      lines[twin.at] = twin.line;
    } else {
      const line: RefusalLine = { ...item, times: 1, stores: new Set([event.geofence_id]) };
      open.set(sameness, { line, at: lines.length, sinceMs: event.at_ms });
      lines.push(line);
    }
  }
  return lines.reverse().slice(0, MOST_LINES);
}

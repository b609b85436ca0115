// Live: stores, people and pushes on one map, as they happen.

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { geofences, loading } from "../catalog";
import { mark } from "../map/marks";
import { middleOf } from "../map/shapes";
import { MapView, type Padding } from "../map/view";
import { theme } from "../theme";
import { CountersPanel } from "./counters";
import { FeedPanel } from "./feed";
import { cells, chosenStore, moment, start } from "./state";

export function LivePage() {
  const ground = useRef<HTMLDivElement>(null);
  useEffect(start, []);
  useEffect(() => draw(ground.current!), []);
  return (
    <div class="live">
      <div class="live-map" ref={ground} role="application" aria-label="Map of stores and users present" />
      <CountersPanel />
      <FeedPanel />
    </div>
  );
}

function draw(container: HTMLElement): () => void {
  const view = new MapView(container, theme.peek(), clearOfPanels);
  view.onChoose((id) => (chosenStore.value = id));
  const stops = [
    effect(() => view.paint(theme.value)),
    effect(() => view.showStores(geofences.value)),
    effect(() => {
      if (loading.value === "ready" && geofences.value.size > 0) view.keepView();
    }),
    effect(() => view.showPresence(cells.value)),
    effect(() => view.choose(geofences.peek().get(chosenStore.value ?? "") ?? null)),
    effect(() => {
      for (const item of moment.value) {
        const geofence = geofences.peek().get(item.event.geofence_id);
        if (geofence) mark(view.map, middleOf(geofence), item.kind);
      }
    }),
  ];
  return () => {
    stops.forEach((stop) => stop());
    view.remove();
  };
}

/** Room for the panels that lie over the map, so that what is shown is not behind them. */
function clearOfPanels(): Padding {
  const width = (panel: string): number => document.querySelector(panel)?.getBoundingClientRect().width ?? 0;
  return { top: 40, bottom: 40, left: width(".counters") + 40, right: width(".feed") + 40 };
}

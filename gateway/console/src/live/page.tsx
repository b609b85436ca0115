// Live: stores, people and pushes on one map, as they happen.

import { effect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { geofences } from "../catalog";
import { mark } from "../map/marks";
import { middleOf } from "../map/shapes";
import { MapStage } from "../map/stage";
import type { MapView } from "../map/view";
import { CountersPanel } from "./counters";
import { FeedPanel } from "./feed";
import { cells, chosenStore, entered, moment, opened } from "./state";

export function LivePage() {
  useEffect(() => () => void (chosenStore.value = opened.value = null), []);
  return (
    <div class="stage">
      <MapStage label="Map of stores and users present" connect={connect} />
      <CountersPanel />
      <FeedPanel />
    </div>
  );
}

function connect(view: MapView): () => void {
  view.onChoose((id) => {
    opened.value = null;
    chosenStore.value = id;
  });
  const stops = [
    effect(() => view.showPresence(cells.value)),
    effect(() => {
      const store = geofences.peek().get(chosenStore.value ?? "");
      view.highlight(store ? [store] : []);
      if (store) view.approach(store);
    }),
    effect(() => {
      for (const item of moment.value) {
        const geofence = geofences.peek().get(item.event.geofence_id);
        if (geofence) mark(view.map, middleOf(geofence), item.kind);
      }
    }),
    effect(() => {
      for (const id of entered.value) {
        const geofence = geofences.peek().get(id);
        if (geofence) mark(view.map, middleOf(geofence), "enter");
      }
    }),
  ];
  return () => stops.forEach((stop) => stop());
}

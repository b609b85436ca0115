// A map as the ground of a page: made when the page is entered, at the place where the last page's map was left.

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { edition, geofences, isLarge, loading } from "../catalog";
import { theme } from "../theme";
import { baseMap } from "./base";
import { MapView } from "./view";

interface StageProps {
  label: string;
  /** Called once with the new map; what it returns is called before the map goes. */
  connect: (view: MapView) => () => void;
}

export function MapStage({ label, connect }: StageProps) {
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const view = new MapView(container.current!, theme.peek());
    let isThere = true;
    void baseMap().then((base) => base && isThere && view.showBase(base, theme.peek()));
    const stops = [effect(() => view.paint(theme.value)), effect(() => showStores(view)), connect(view)];
    return () => {
      isThere = false;
      stops.forEach((stop) => stop());
      view.remove();
    };
  }, []);
  return <div class="stage-map" ref={container} role="application" aria-label={label} />;
}

function showStores(view: MapView): void {
  const isReady = loading.value === "ready";
  if (!isLarge.value) return view.showStores(geofences.value, isReady);
  void edition.value;
  view.showTiledStores(geofences.peek(), isReady);
}

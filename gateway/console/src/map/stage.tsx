// A map as the ground of a page: made when the page is entered, at the place where the last page's map was left.

import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { geofences, loading } from "../catalog";
import { theme } from "../theme";
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
    const stops = [
      effect(() => view.paint(theme.value)),
      effect(() => view.showStores(geofences.value, loading.value === "ready")),
      connect(view),
    ];
    return () => {
      stops.forEach((stop) => stop());
      view.remove();
    };
  }, []);
  return <div class="stage-map" ref={container} role="application" aria-label={label} />;
}

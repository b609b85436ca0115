// The outline of a feature as its file drew it, dashed over the map, beside the mended one.

import type { Feature } from "geojson";
import type { GeofenceFeature } from "../api/types";
import type { MapView } from "../map/view";

const SOURCE = "before";
const NOTHING: Feature = { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: [] } };

export function addBefore(view: MapView): void {
  void view.whenReady().then(() => {
    const color = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
    view.map.addSource(SOURCE, { type: "geojson", data: NOTHING });
    view.map.addLayer({
      id: SOURCE,
      type: "line",
      source: SOURCE,
      paint: { "line-color": color, "line-width": 2, "line-dasharray": [2, 1.5] },
    });
  });
}

export function showBefore(view: MapView, geometry: GeofenceFeature["geometry"] | null): void {
  view.fill(SOURCE, {
    type: "FeatureCollection",
    features: geometry ? [{ type: "Feature", properties: {}, geometry }] : [],
  });
}

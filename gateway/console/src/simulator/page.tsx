// Simulator: draw a walk, choose who and when, and see every gate's verdict, with nothing stored and nothing sent.

import { effect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Marker } from "maplibre-gl";
import type { FeatureCollection } from "geojson";
import "../styles/simulator.css";
import { geofences } from "../catalog";
import { SOURCES } from "../map/layers";
import { MapStage } from "../map/stage";
import type { MapView } from "../map/view";
import { Outcome } from "./outcome";
import { Setup } from "./setup";
import { answer, eventful, isPlaying, places, position, problem, takeFile, track, walk } from "./state";
import type { Ping } from "./walk";

export function SimulatorPage() {
  useEffect(() => () => void (isPlaying.value = false), []);
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) void takeFile(file);
  };
  return (
    <div class="stage" onDragOver={(event) => event.preventDefault()} onDrop={onDrop}>
      <MapStage label="Map to draw a walk on" connect={connect} />
      <section class="panel at-right side" aria-label="Simulator">
        {problem.value && (
          <div class="refused" role="alert">
            <b>{problem.value.title}</b>
            <p>{problem.value.detail}</p>
          </div>
        )}
        {answer.value ? <Outcome /> : <Setup />}
      </section>
    </div>
  );
}

function connect(view: MapView): () => void {
  view.map.getCanvas().classList.add("draws");
  view.map.on("click", ({ lngLat }) => {
    if (answer.value || track.value) return;
    places.value = [...places.value, [lngLat.lng, lngLat.lat]];
  });
  const stops = [
    effect(() => view.fill(SOURCES.walk, drawn(walk.value))),
    effect(() => {
      const [first] = track.value ?? [];
      if (first) view.map.easeTo({ center: [first.lon, first.lat], zoom: 15.5 });
    }),
    effect(() => {
      const pushed = eventful.value.flatMap(({ candidates = [] }) => candidates.filter((c) => !c.refused_by));
      const ids = new Set(pushed.map(({ geofence_id }) => geofence_id));
      view.highlight([...ids].flatMap((id) => geofences.peek().get(id) ?? []));
    }),
    follow(view),
  ];
  return () => stops.forEach((stop) => stop());
}

/** The walker: a dot that is where the playback is. */
function follow(view: MapView): () => void {
  const element = document.createElement("div");
  element.className = "walker";
  element.setAttribute("aria-hidden", "true");
  const marker = new Marker({ element });
  const stop = effect(() => {
    const here = walk.value[Math.floor(position.value)];
    if (answer.value && here) marker.setLngLat([here.lon, here.lat]).addTo(view.map);
    else marker.remove();
  });
  return () => {
    stop();
    marker.remove();
  };
}

function drawn(pings: readonly Ping[]): FeatureCollection {
  const coordinates = pings.map(({ lon, lat }) => [lon, lat]);
  const line = { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } } as const;
  const points = coordinates.map((at) => ({
    type: "Feature" as const,
    properties: {},
    geometry: { type: "Point" as const, coordinates: at },
  }));
  return { type: "FeatureCollection", features: coordinates.length > 1 ? [line, ...points] : points };
}

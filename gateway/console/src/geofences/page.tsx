// Geofences: find, draw, edit, import.

import { effect, signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import "../styles/geofences.css";
import type { GeofenceFeature } from "../api/types";
import { geofences } from "../catalog";
import { MapStage } from "../map/stage";
import { boundsOf } from "../map/shapes";
import type { MapView } from "../map/view";
import { may } from "../session";
import { addBefore, showBefore } from "./before";
import { Drawing } from "./drawing";
import { Editor } from "./editor";
import { ImportPanel } from "./importing";
import { importing, openedRepair, type Repair, shapes, take } from "./job";
import { List } from "./list";
import { begin, change, close, draft, open, tool } from "./state";
import { end, tagging, toggle } from "./tagging";

export function GeofencesPage() {
  const isOver = useSignal(false);
  useEffect(
    () => () => {
      close();
      end();
      importing.value = null;
    },
    [],
  );
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    isOver.value = false;
    const file = event.dataTransfer?.files[0];
    if (file && may("geofences:write")) void take(file);
  };
  return (
    <div
      class="stage"
      data-over={isOver.value}
      onDragOver={(event) => (event.preventDefault(), (isOver.value = true))}
      onDragLeave={() => (isOver.value = false)}
      onDrop={onDrop}
    >
      <MapStage label="Map of geofences" connect={connect} />
      <section class="panel at-right side" aria-label="Geofences">
        {importing.value ? <ImportPanel /> : draft.value ? <Editor /> : <List />}
      </section>
    </div>
  );
}

function connect(view: MapView): () => void {
  view.onChoose((id) => {
    if (tool.value !== "look" || importing.value || id === null) return;
    if (tagging.value) toggle(id);
    else void open(id);
  });
  addBefore(view);
  const stops = [
    effect(() => {
      const repair = openedRepair.value;
      showBefore(view, (importing.value && repair?.before) || null);
      const mended = mendedShape(repair);
      if (mended) view.approach(mended);
    }),
    effect(() => {
      const isReshaping = tool.value === "reshape";
      const mended = importing.value && mendedShape(openedRepair.value);
      if (mended) return view.highlight([mended]);
      view.highlight(shapes.value ?? chosen() ?? (draft.value && !isReshaping ? [draft.value.feature] : []));
    }),
    effect(() => {
      if (shapes.value) view.fit(boundsOf(shapes.value));
    }),
    approachOpened(view),
    draw(view),
  ];
  return () => stops.forEach((stop) => stop());
}

function mendedShape(repair: Repair | null): GeofenceFeature | null {
  return repair?.after ? { type: "Feature", id: repair.id, geometry: repair.after, properties: {} } : null;
}

/** The geofences about to be tagged, while some are. */
function chosen(): GeofenceFeature[] | null {
  return tagging.value && [...tagging.value.chosen].flatMap((id) => geofences.peek().get(id) ?? []);
}

/** Moves the map to a geofence when it is opened, not while it is edited. */
function approachOpened(view: MapView): () => void {
  let opened: string | null = null;
  return effect(() => {
    const feature = draft.value && !draft.value.isNew ? draft.value.feature : null;
    if (feature && feature.id !== opened) view.approach(feature);
    opened = feature?.id ?? null;
  });
}

/** Puts the drawing tool on the map while one is chosen, as soon as the map can take it. */
function draw(view: MapView): () => void {
  let drawing: Drawing | null = null;
  const isReady = signal(false);
  void view.whenReady().then(() => (isReady.value = true));
  const stop = effect(() => {
    if (!isReady.value) return;
    drawing?.stop();
    drawing = null;
    const chosen = tool.value;
    if (chosen === "look") return;
    drawing = new Drawing(view, ({ geometry, radiusM }, isFinished) => {
      // Only after this click is over, lest it also choose the store beneath.
      if (isFinished) return void setTimeout(() => begin(geometry, radiusM));
      change({ geometry });
      if (radiusM !== null) change({ properties: { ...draft.peek()?.feature.properties, radius_m: radiusM } });
    });
    if (chosen === "reshape") drawing.reshape(draft.peek()!.feature);
    else drawing.start(chosen === "area" ? "polygon" : "circle");
  });
  return () => {
    stop();
    drawing?.stop();
  };
}

// All geofences, found by name, id or tag, and the ways to make new ones.

import { computed } from "@preact/signals";
import type { GeofenceFeature } from "../api/types";
import { geofences, load, loading } from "../catalog";
import { count } from "../format";
import { Empty, Trouble } from "../ui/empty";
import { Allowed } from "../ui/allowed";
import { FileButton } from "../ui/file";
import { take } from "./job";
import { FORMATS } from "./reading";
import { open, search, type Tool, tool } from "./state";
import { TagPanel } from "./tag-panel";
import { begin, end, tagging, toggle } from "./tagging";

const MOST_SHOWN = 200;

const found = computed(() => {
  const wanted = search.value.trim().toLowerCase();
  const all = [...geofences.value.values()];
  return wanted ? all.filter((geofence) => text(geofence).includes(wanted)) : all;
});

export function List() {
  return (
    <>
      <header class="panel-head tools">
        <Allowed needs="geofences:write">
          <ToolButton name="area" label="Draw area" />
          <ToolButton name="circle" label="Draw circle" />
          <FileButton
            look="quiet"
            text="Import…"
            label="File to import"
            accept={FORMATS}
            take={(file) => void take(file)}
          />
          {geofences.value.size > 0 && (
            <button
              class="quiet"
              type="button"
              aria-pressed={tagging.value !== null}
              onClick={tagging.value ? end : begin}
            >
              Tag…
            </button>
          )}
        </Allowed>
      </header>
      {tool.value === "look" ? <Search /> : <DrawHelp />}
      {tagging.value && <TagPanel found={found.value} />}
      <Results />
    </>
  );
}

function ToolButton({ name, label }: { name: Tool; label: string }) {
  const isActive = tool.value === name;
  return (
    <button class="quiet" type="button" aria-pressed={isActive} onClick={() => (tool.value = isActive ? "look" : name)}>
      {label}
    </button>
  );
}

function DrawHelp() {
  return (
    <p class="draw-help hint" role="status">
      {tool.value === "area"
        ? "Click on the map for each corner. Click the first corner again, or press Enter, to close the shape."
        : "Click the centre, move outwards, click again."}{" "}
      Escape begins anew.
    </p>
  );
}

function Search() {
  return (
    <div class="search">
      <input
        type="search"
        aria-label="Search geofences"
        placeholder={`Search ${count(geofences.value.size)} geofences`}
        value={search.value}
        onInput={(event) => (search.value = event.currentTarget.value)}
      />
    </div>
  );
}

function Results() {
  if (loading.value instanceof Error) return <Trouble problem={loading.value} retry={() => void load()} />;
  if (loading.value === "ready" && geofences.value.size === 0) {
    return (
      <Empty title="Drop your stores here">
        <p>
          GeoJSON, KML, Shapefile (zipped), GeoPackage, FlatGeobuf, or a table: CSV with latitude, longitude and radius,
          Radar's, or Google Business Profile's. You see what it would change, and what had to be mended, before
          anything is stored. Or draw your first store.
        </p>
      </Empty>
    );
  }
  if (found.value.length === 0 && loading.value === "ready") {
    return (
      <Empty title="Nothing found">
        <p>No name, id or tag holds “{search.value}”.</p>
      </Empty>
    );
  }
  return (
    <ul class="rows" aria-label="Geofences">
      {found.value.slice(0, MOST_SHOWN).map((geofence) => (
        <li key={geofence.id}>{tagging.value ? <Box geofence={geofence} /> : <Opener geofence={geofence} />}</li>
      ))}
      {found.value.length > MOST_SHOWN && (
        <li class="hint">{count(found.value.length - MOST_SHOWN)} more: search, or choose on the map.</li>
      )}
    </ul>
  );
}

function Opener({ geofence }: { geofence: GeofenceFeature }) {
  return (
    <button type="button" onClick={() => void open(geofence.id)}>
      <Described geofence={geofence} />
    </button>
  );
}

function Box({ geofence }: { geofence: GeofenceFeature }) {
  return (
    <label class="check row-box">
      <input type="checkbox" checked={tagging.value!.chosen.has(geofence.id)} onChange={() => toggle(geofence.id)} />
      <span>
        <Described geofence={geofence} />
      </span>
    </label>
  );
}

function Described({ geofence: { id, properties } }: { geofence: GeofenceFeature }) {
  return (
    <>
      <b>{String(properties?.name || id)}</b>
      <span>{(properties?.tags ?? []).join(", ")}</span>
    </>
  );
}

function text({ id, properties }: GeofenceFeature): string {
  return `${id} ${properties?.name ?? ""} ${(properties?.tags ?? []).join(" ")}`.toLowerCase();
}

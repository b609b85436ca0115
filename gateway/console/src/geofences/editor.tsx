// One geofence: its name, tags and other properties, its shape, and what can be done with it.

import { useSignal } from "@preact/signals";
import type { GeofenceFeature } from "../api/types";
import { Icon } from "../shell/icon";
import { slug } from "../text";
import { AdvicePanel } from "../ui/advice";
import { Allowed, Changeable } from "../ui/allowed";
import { TextField } from "../ui/field";
import { TagsField } from "../ui/tags";
import { advice, change, close, draft, isBusy, mayLeave, problem, remove, save, setProperty, tool } from "./state";

const OWN_FIELDS = ["name", "tags", "radius_m", "opening_hours"];

export function Editor() {
  const { feature, isNew, isDirty } = draft.value!;
  const properties = feature.properties ?? {};
  const faultAt = (pointer: string): string | undefined =>
    problem.value?.errors.find((fault) => fault.pointer?.startsWith(pointer))?.detail;
  const leave = async (): Promise<void> => void ((await mayLeave()) && close());
  return (
    <form class="editor" onSubmit={(event) => (event.preventDefault(), void save())}>
      <header class="panel-head">
        <h2>{isNew ? "New geofence" : properties.name || feature.id}</h2>
        <button class="plain" type="button" onClick={() => void leave()} aria-label="Back to the list">
          <Icon name="close" />
        </button>
      </header>
      <div class="panel-body">
        <Changeable needs="geofences:write">
          <TextField label="Name" value={String(properties.name ?? "")} change={(name) => setProperty("name", name)} />
          {isNew && (
            <TextField
              label="Id"
              mono
              value={feature.id}
              placeholder={slug(String(properties.name ?? "")) || "store-17"}
              change={(id) => change({ id })}
              help="Your own number for the store, if it has one. It cannot be changed later."
              fault={faultAt("/id")}
            />
          )}
          <TagsField
            label="Tags"
            tags={properties.tags ?? []}
            change={(tags) => setProperty("tags", tags)}
            help="Offers can name tags instead of stores."
          />
          <TextField
            label="Opening hours"
            mono
            value={String(properties["opening_hours"] ?? "")}
            placeholder="Mo-Fr 08:00-20:00; Sa 09:00-18:00"
            change={(text) => setProperty("opening_hours", text || undefined)}
            help="As OpenStreetMap writes them. Without them the store counts as open."
            fault={faultAt("/properties/opening_hours")}
          />
          <Shape feature={feature} />
          <OtherProperties feature={feature} />
        </Changeable>
        {problem.value && <Refused />}
        <AdvicePanel of={advice.value} />
      </div>
      <footer class="panel-foot">
        <Allowed needs="geofences:write">
          <button class="primary" type="submit" disabled={isBusy.value || !isDirty}>
            {isBusy.value ? "Saving…" : "Save"}
          </button>
          {!isNew && (
            <button class="danger quiet" type="button" disabled={isBusy.value} onClick={() => void remove()}>
              Delete
            </button>
          )}
        </Allowed>
      </footer>
    </form>
  );
}

function Shape({ feature }: { feature: GeofenceFeature }) {
  const { geometry } = feature;
  const isManual = geometry.type === "Point" || (geometry.type === "Polygon" && geometry.coordinates.length === 1);
  return (
    <fieldset class="group">
      <legend>Shape</legend>
      {geometry.type === "Point" && (
        <TextField
          label="Radius in metres"
          type="number"
          value={String(feature.properties?.radius_m ?? "")}
          change={(text) => setProperty("radius_m", Number(text))}
        />
      )}
      <p class="hint">{described(geometry)}</p>
      {isManual ? (
        <button
          class="quiet"
          type="button"
          aria-pressed={tool.value === "reshape"}
          onClick={() => (tool.value = tool.value === "reshape" ? "look" : "reshape")}
        >
          {tool.value === "reshape" ? "Done" : "Edit on the map"}
        </button>
      ) : (
        <p class="hint">It has several parts or holes: change it in your mapping tool and import it again.</p>
      )}
    </fieldset>
  );
}

function described(geometry: GeofenceFeature["geometry"]): string {
  if (geometry.type === "Point") return "A circle. Drag it, or drag its edge, on the map.";
  const rings = geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat();
  const corners = rings.reduce((sum, ring) => sum + ring.length - 1, 0);
  const parts = geometry.type === "MultiPolygon" ? `${geometry.coordinates.length} parts, ` : "";
  const outers = geometry.type === "Polygon" ? 1 : geometry.coordinates.length;
  const holes = rings.length - outers;
  return `${parts}${corners} corners${holes > 0 ? `, ${holes} ${holes === 1 ? "hole" : "holes"}` : ""}.`;
}

function OtherProperties({ feature }: { feature: GeofenceFeature }) {
  const others = Object.fromEntries(
    Object.entries(feature.properties ?? {}).filter(([name]) => !OWN_FIELDS.includes(name)),
  );
  const text = useSignal(Object.keys(others).length > 0 ? JSON.stringify(others, null, 2) : "");
  const fault = useSignal<string | undefined>(undefined);
  const read = (typed: string): void => {
    text.value = typed;
    try {
      const parsed = typed.trim() ? (JSON.parse(typed) as Record<string, unknown>) : {};
      const own = Object.entries(feature.properties ?? {}).filter(([name]) => OWN_FIELDS.includes(name));
      change({ properties: { ...Object.fromEntries(own), ...parsed } });
      fault.value = undefined;
    } catch {
      fault.value = 'This is not a JSON object like {"manager": "Aino"} yet.';
    }
  };
  return (
    <TextField
      label="Other properties"
      mono
      lines={Math.min(8, Math.max(2, text.value.split("\n").length))}
      value={text.value}
      change={read}
      help="A JSON object. Messages can use them: {{ store.manager }}."
      fault={fault.value}
    />
  );
}

function Refused() {
  const { title, detail, errors } = problem.value!;
  return (
    <div class="refused" role="alert">
      <b>{title}</b>
      {errors.length === 0 && <p>{detail}</p>}
      <ul>
        {errors.map((fault) => (
          <li key={fault.pointer}>{fault.detail}</li>
        ))}
      </ul>
    </div>
  );
}

// Where the offer belongs, what sets it off, and when it may.

import { knownTags } from "../../geofences/tagging";
import { Choice, TextField } from "../../ui/field";
import { TagsField } from "../../ui/tags";
import { type Day, DAYS, type Offer, TRIGGERS, type WeeklyWindow } from "../document";
import { faultAt, set } from "../state";

type Reach = "all" | "tags" | "stores";

const REACHES: readonly [Reach, string][] = [
  ["all", "All stores"],
  ["tags", "Stores with a tag"],
  ["stores", "Chosen stores"],
];

export function Where({ offer: { targets = {} } }: { offer: Offer }) {
  const reach: Reach = targets.all ? "all" : targets.geofences ? "stores" : "tags";
  const reachOut = (next: Reach): void =>
    set("targets", next === "all" ? { all: true } : next === "tags" ? { tags: [] } : { geofences: [] });
  return (
    <fieldset class="group">
      <legend>Where</legend>
      <Choice
        label="Stores"
        value={reach}
        options={REACHES}
        change={reachOut}
        fault={faultAt("/targets")}
        help={reach === "stores" ? "Choose them on the map beside." : ""}
      />
      {reach === "tags" && (
        <TagsField
          label="Tags"
          tags={targets.tags ?? []}
          suggestions={knownTags.value}
          change={(tags) => set("targets/tags", tags)}
        />
      )}
      {reach === "stores" && (
        <TagsField label="Store ids" tags={targets.geofences ?? []} change={(ids) => set("targets/geofences", ids)} />
      )}
    </fieldset>
  );
}

export function Trigger({ offer: { trigger = { type: "enter" } } }: { offer: Offer }) {
  const number = (member: "dwell_s" | "nearby_m", text: string): void =>
    set(`trigger/${member}`, text ? Number(text) : undefined);
  return (
    <fieldset class="group pair">
      <legend>What sets it off</legend>
      <Choice
        label="When"
        value={trigger.type}
        options={TRIGGERS}
        change={(type) =>
          set("trigger", {
            type,
            ...(type === "dwell" && { dwell_s: 300 }),
            ...(type === "nearby" && { nearby_m: 200 }),
          })
        }
        fault={faultAt("/trigger/type")}
      />
      {trigger.type === "dwell" && (
        <TextField
          label="For at least, in seconds"
          type="number"
          value={String(trigger.dwell_s ?? "")}
          change={(text) => number("dwell_s", text)}
          fault={faultAt("/trigger/dwell_s")}
        />
      )}
      {trigger.type === "nearby" && (
        <TextField
          label="Within, in metres"
          type="number"
          value={String(trigger.nearby_m ?? "")}
          change={(text) => number("nearby_m", text)}
          fault={faultAt("/trigger/nearby_m")}
        />
      )}
    </fieldset>
  );
}

export function Time({ offer }: { offer: Offer }) {
  const weekly = offer.weekly ?? [];
  const change = (windows: WeeklyWindow[]): void => set("weekly", windows.length > 0 ? windows : undefined);
  const hours = offer.opening_hours ?? "store";
  return (
    <fieldset class="group">
      <legend>When</legend>
      <div class="pair">
        <TextField
          label="From"
          mono
          value={offer.campaign?.start ?? ""}
          placeholder="2026-12-01"
          change={(start) => set("campaign/start", start || undefined)}
          fault={faultAt("/campaign/start")}
        />
        <TextField
          label="Through"
          mono
          value={offer.campaign?.end ?? ""}
          placeholder="2026-12-24"
          change={(end) => set("campaign/end", end || undefined)}
          fault={faultAt("/campaign/end")}
        />
      </div>
      {weekly.map((window, place) => (
        <Window
          key={place}
          window={window}
          place={place}
          change={(next) => change(weekly.map((other, at) => (at === place ? next : other)))}
          remove={() => change(weekly.filter((_, at) => at !== place))}
        />
      ))}
      <button class="quiet" type="button" onClick={() => change([...weekly, { start: "10:00", end: "18:00" }])}>
        Add hours
      </button>
      <Choice
        label="Opening hours"
        value={hours === "store" || hours === "ignore" ? hours : "own"}
        options={[
          ["store", "Only while the store is open"],
          ["ignore", "Whether it is open or not"],
          ["own", "By hours of its own"],
        ]}
        change={(choice) =>
          set("opening_hours", choice === "store" ? undefined : choice === "own" ? "Mo-Su 08:00-20:00" : choice)
        }
      />
      {hours !== "store" && hours !== "ignore" && (
        <TextField
          label="Hours of its own"
          mono
          value={hours}
          change={(text) => set("opening_hours", text)}
          help="As OpenStreetMap writes them: Mo-Fr 08:00-20:00; PH off"
          fault={faultAt("/opening_hours")}
        />
      )}
    </fieldset>
  );
}

interface WindowProps {
  window: WeeklyWindow;
  place: number;
  change: (window: WeeklyWindow) => void;
  remove: () => void;
}

function Window({ window, place, change, remove }: WindowProps) {
  const days = window.days ?? DAYS.map(([day]) => day);
  const toggle = (day: Day): void => {
    const next = DAYS.map(([name]) => name).filter((name) => (name === day) !== days.includes(name));
    const { start, end } = window;
    change(next.length === DAYS.length ? { start, end } : { start, end, days: next });
  };
  const fault = faultAt(`/weekly/${place}`);
  return (
    <div class="window" role="group" aria-label={`Hours ${place + 1}`}>
      <div class="days">
        {DAYS.map(([day, label]) => (
          <button key={day} type="button" aria-pressed={days.includes(day)} onClick={() => toggle(day)}>
            {label}
          </button>
        ))}
      </div>
      <span class="line">
        <Clock label="Start" value={window.start} change={(start) => change({ ...window, start })} /> to
        <Clock label="End" value={window.end} change={(end) => change({ ...window, end })} />
        <button class="plain" type="button" onClick={remove}>
          Remove
        </button>
      </span>
      {fault && <p class="fault">{fault}</p>}
    </div>
  );
}

function Clock({ label, value, change }: { label: string; value: string; change: (value: string) => void }) {
  return (
    <input
      class="short mono"
      aria-label={label}
      maxLength={5}
      value={value}
      onInput={(event) => change(event.currentTarget.value)}
    />
  );
}

// How much one person may get, when nobody is disturbed, and how sure a position must be.

import { useEffect } from "preact/hooks";
import { Allowed, Changeable } from "../ui/allowed";
import { TextField } from "../ui/field";
import { type BrandPolicy, DEFAULTS, faults, load, policy, problem, save, set } from "./state";

const HOUR_S = 3_600;
const DAY_S = 86_400;

export function Policy() {
  useEffect(() => void load(), []);
  if (!policy.value) return problem.value ? <Refused /> : <p class="hint">Loading…</p>;
  const { document, isDirty } = policy.value;
  return (
    <form class="card" aria-label="Policy" onSubmit={(event) => (event.preventDefault(), void save())}>
      <h2>What holds for every push</h2>
      <p class="hint">An offer may ask for more or, where it says so, for less. Service messages are exempt.</p>
      <Changeable needs="policy:write">
        <QuietHours document={document} />
        <Pressure document={document} />
        <div class="pair">
          <TextField
            label="Held out of everything, in percent"
            type="number"
            value={document.holdout_ratio ? String(Number((document.holdout_ratio * 100).toFixed(2))) : ""}
            placeholder="0"
            change={(text) => set({ holdout_ratio: Number(text) / 100 })}
            help="The same people for every offer: they show what all pushes together are worth."
            fault={faultAt("/holdout_ratio")}
          />
          <TextField
            label="Least accurate position, in metres"
            type="number"
            value={document.max_accuracy_m === undefined ? "" : String(document.max_accuracy_m)}
            placeholder={String(DEFAULTS.max_accuracy_m)}
            change={(text) => set({ max_accuracy_m: text ? Number(text) : DEFAULTS.max_accuracy_m })}
            fault={faultAt("/max_accuracy_m")}
          />
        </div>
      </Changeable>
      {problem.value && <Refused />}
      <Allowed needs="policy:write">
        <button class="primary" type="submit" disabled={!isDirty}>
          Save
        </button>
      </Allowed>
    </form>
  );
}

function QuietHours({ document: { quiet_hours = {} } }: { document: BrandPolicy }) {
  const isOn = quiet_hours.enabled !== false;
  const change = (changes: object): void => set({ quiet_hours: { ...quiet_hours, ...changes } });
  return (
    <fieldset class="group">
      <legend>Quiet hours</legend>
      <label class="check">
        <input type="checkbox" checked={isOn} onChange={(event) => change({ enabled: event.currentTarget.checked })} />
        Nobody gets a push at night
      </label>
      {isOn && (
        <div class="pair">
          <TextField
            label="From"
            mono
            value={quiet_hours.start ?? DEFAULTS.quiet.start}
            change={(start) => change({ start })}
            fault={faultAt("/quiet_hours/start")}
          />
          <TextField
            label="To"
            mono
            value={quiet_hours.end ?? DEFAULTS.quiet.end}
            change={(end) => change({ end })}
            help="By the clock where the shopper is."
            fault={faultAt("/quiet_hours/end")}
          />
        </div>
      )}
    </fieldset>
  );
}

function Pressure({ document }: { document: BrandPolicy }) {
  const cap = document.caps?.find(({ scope, window_s = DAY_S }) => scope === "user" && window_s === DAY_S);
  const others = (document.caps ?? []).filter((other) => other !== cap);
  const hours = (name: "user_offer_s" | "user_store_s" | "min_gap_s", label: string) => (
    <TextField
      label={label}
      type="number"
      value={document[name] === undefined ? "" : String(document[name] / HOUR_S)}
      placeholder={String(DEFAULTS[name] / HOUR_S)}
      change={(text) => set({ [name]: text ? Math.round(Number(text) * HOUR_S) : DEFAULTS[name] })}
      fault={faultAt(`/${name}`)}
    />
  );
  return (
    <fieldset class="group">
      <legend>One person gets at most</legend>
      <div class="pair">
        <TextField
          label="Pushes in 24 hours"
          type="number"
          value={cap ? String(cap.max) : ""}
          placeholder={document.caps ? "no limit" : String(DEFAULTS.pushes)}
          change={(text) => set({ caps: text ? [...others, { ...cap, scope: "user", max: Number(text) }] : others })}
          fault={faultAt("/caps")}
        />
        {hours("min_gap_s", "Hours between any two")}
        {hours("user_offer_s", "Hours between two of one offer")}
        {hours("user_store_s", "Hours between two at one store")}
      </div>
    </fieldset>
  );
}

function Refused() {
  return (
    <div class="refused" role="alert">
      <b>{problem.value!.title}</b>
      <p>{problem.value!.detail}</p>
    </div>
  );
}

function faultAt(pointer: string): string | undefined {
  return faults.value.find((fault) => fault.pointer?.startsWith(pointer))?.detail;
}

// What a file may leave unsaid; each answer tries the file anew.

import { useSignal } from "@preact/signals";
import { Choice, TextField } from "../ui/field";
import { check, type Importing, type Mode } from "./job";

const MODES: readonly [Mode, string][] = [
  ["merge", "Keep the stores that it does not name"],
  ["replace", "Remove the stores that it does not name"],
];

export function ImportOptions({ now: { options, step } }: { now: Importing }) {
  const wanted = useSignal(options);
  const set = (changes: Partial<typeof options>): void => void (wanted.value = { ...wanted.value, ...changes });
  const { radius_m, id_property, crs, axes } = wanted.value;
  return (
    <>
      <Choice
        label="What the file says of others"
        value={options.mode}
        options={MODES}
        change={(mode) => void check({ ...options, mode })}
      />
      <details class="names" open={step === "refused"}>
        <summary>What the file leaves unsaid</summary>
        <div class="group">
          <div class="pair">
            <TextField
              label="Radius of points, metres"
              type="number"
              value={radius_m}
              placeholder="100"
              change={(text) => set({ radius_m: text })}
            />
            <TextField
              label="Column of the id"
              mono
              value={id_property}
              placeholder="store_nr"
              change={(text) => set({ id_property: text })}
            />
            <TextField
              label="Coordinate system"
              mono
              value={crs}
              placeholder="EPSG:3067"
              change={(text) => set({ crs: text })}
            />
            <Choice
              label="Axes"
              value={axes}
              options={[
                ["", "Longitude first"],
                ["lat_lng", "Latitude first"],
              ]}
              change={(next) => set({ axes: next })}
            />
          </div>
          <button class="quiet" type="button" onClick={() => void check(wanted.value)}>
            Try again
          </button>
        </div>
      </details>
    </>
  );
}

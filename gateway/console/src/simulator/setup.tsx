// Who walks, when, and how fast; where is drawn on the map.

import { count } from "../format";
import { Choice, TextField } from "../ui/field";
import { FileButton } from "../ui/file";
import {
  clear,
  forget,
  isBusy,
  pace,
  person,
  type Person,
  places,
  run,
  startsAt,
  takeFile,
  track,
  walk,
} from "./state";
import { MOST_PINGS } from "./walk";

const SPEEDS: readonly [string, string][] = [
  ["1.4", "Walks"],
  ["4", "Cycles"],
  ["10", "Drives"],
];

export function Setup() {
  const set = (changes: Partial<Person>): void => {
    person.value = { ...person.value, ...changes };
    forget();
  };
  const isReady = walk.value.length > 0 && (!person.value.isStored || person.value.userId.trim() !== "");
  return (
    <form class="editor" aria-label="Simulation" onSubmit={(event) => (event.preventDefault(), void run())}>
      <header class="panel-head">
        <h2>Simulator</h2>
        {walk.value.length > 0 && (
          <button class="plain" type="button" onClick={clear}>
            Clear the walk
          </button>
        )}
      </header>
      <div class="panel-body">
        <Route />
        <Who person={person.value} set={set} />
        <TextField
          label="When"
          type="datetime-local"
          value={startsAt.value}
          change={(text) => ((startsAt.value = text), forget())}
          help="The walk begins then, by this computer's clock."
        />
        {!track.value && <Manner />}
      </div>
      <footer class="panel-foot">
        <button class="primary" type="submit" disabled={!isReady || isBusy.value}>
          {isBusy.value ? "Walking…" : "Walk"}
        </button>
        <span class="hint">Nothing is stored and nothing is sent.</span>
      </footer>
    </form>
  );
}

function Route() {
  return (
    <div>
      <p role="status">
        {track.value
          ? `${count(track.value.length)} positions from the file.`
          : places.value.length === 0
            ? "Click on the map where the walk begins, and at each turn."
            : `${places.value.length} ${places.value.length === 1 ? "place" : "places"}, ${count(walk.value.length)} pings${walk.value.length === MOST_PINGS ? ", the most that can be asked at once" : ""}. Click on to walk further.`}
      </p>
      {walk.value.length === 0 && (
        <p class="hint route-file">
          Or{" "}
          <FileButton
            look="link"
            text="open a GPX file"
            label="GPX file"
            accept=".gpx"
            take={(file) => void takeFile(file)}
          />
          , or drop one.
        </p>
      )}
    </div>
  );
}

function Who({ person: who, set }: { person: Person; set: (changes: Partial<Person>) => void }) {
  return (
    <fieldset class="group">
      <legend class="unseen">Who</legend>
      <Choice
        label="Who"
        value={who.isStored ? "stored" : "made"}
        options={[
          ["made", "Someone made up"],
          ["stored", "A user of this gateway"],
        ]}
        change={(choice) => set({ isStored: choice === "stored" })}
        help={who.isStored ? "With their consents, attributes and past pushes." : ""}
      />
      {who.isStored ? (
        <TextField label="User id" mono value={who.userId} change={(userId) => set({ userId })} />
      ) : (
        <>
          <div class="checks" role="group" aria-label="Agrees to">
            {(["location", "push", "profiling"] as const).map((name) => (
              <label class="check" key={name}>
                <input
                  type="checkbox"
                  checked={who[name]}
                  onChange={(event) => set({ [name]: event.currentTarget.checked })}
                />
                {name}
              </label>
            ))}
          </div>
          <div class="pair">
            <TextField label="Language" value={who.locale} change={(locale) => set({ locale })} />
            <TextField
              label="Attributes"
              mono
              value={who.attributes}
              placeholder='{"member": true}'
              change={(attributes) => set({ attributes })}
            />
          </div>
        </>
      )}
    </fieldset>
  );
}

function Manner() {
  const set = (changes: Partial<typeof pace.value>): void => {
    pace.value = { ...pace.value, ...changes };
    forget();
  };
  return (
    <div class="pair">
      <Choice
        label="How"
        value={String(pace.value.speedMps)}
        options={SPEEDS}
        change={(speed) => set({ speedMps: Number(speed) })}
      />
      <TextField
        label="Stays at the end, minutes"
        type="number"
        value={String(pace.value.stayS / 60)}
        change={(text) => set({ stayS: Math.max(0, Number(text) * 60) })}
      />
      <TextField
        label="A ping every, seconds"
        type="number"
        value={String(pace.value.everyS)}
        change={(text) => set({ everyS: Math.max(1, Number(text)) })}
      />
      <TextField
        label="Accuracy, metres"
        type="number"
        value={String(pace.value.accuracyM)}
        change={(text) => set({ accuracyM: Math.max(0, Number(text)) })}
      />
    </div>
  );
}

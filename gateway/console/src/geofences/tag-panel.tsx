// The panel in which geofences are chosen and tagged; the list below it has a box for each.

import { count } from "../format";
import { Refused } from "../ui/empty";
import { TagsField } from "../ui/tags";
import { apply, change, end, knownTags, tagging, tagged, tagProblem } from "./tagging";

export function TagPanel({ found }: { found: readonly { id: string }[] }) {
  const { chosen, add, remove } = tagging.value!;
  const areAll = found.length > 0 && found.every(({ id }) => chosen.has(id));
  const toggleAll = (): void => change({ chosen: areAll ? new Set() : new Set(found.map(({ id }) => id)) });
  const isReady = chosen.size > 0 && add.length + remove.length > 0 && !tagged.value;
  return (
    <form class="tag-panel" aria-label="Tag geofences" onSubmit={(event) => (event.preventDefault(), void apply())}>
      <TagsField label="Put on" tags={add} suggestions={knownTags.value} change={(tags) => change({ add: tags })} />
      <TagsField
        label="Take off"
        tags={remove}
        suggestions={knownTags.value}
        change={(tags) => change({ remove: tags })}
      />
      {tagProblem.value && <Refused problem={tagProblem.value} />}
      {tagged.value && <progress aria-label="Progress" max={tagged.value.of} value={tagged.value.done || undefined} />}
      <div class="line">
        <button class="primary" type="submit" disabled={!isReady}>
          Tag {chosen.size === 1 ? "one geofence" : `${count(chosen.size)} geofences`}
        </button>
        <button class="quiet" type="button" onClick={end}>
          Cancel
        </button>
      </div>
      <label class="check">
        <input type="checkbox" checked={areAll} onChange={toggleAll} /> All {count(found.length)} found
      </label>
    </form>
  );
}

// Tags put on, and taken off, many geofences at once: in one version of the catalog for each ten thousand.

import { computed, signal } from "@preact/signals";
import { attempted, call, Problem } from "../api/client";
import { geofences } from "../catalog";
import { count } from "../format";
import { tell } from "../ui/notice";

/** As many as the gateway takes in one call. */
const AT_ONCE = 10_000;

interface Tagging {
  chosen: ReadonlySet<string>;
  add: string[];
  remove: string[];
}

/** null while nobody is tagging. */
export const tagging = signal<Tagging | null>(null);
export const tagged = signal<{ done: number; of: number } | null>(null);
export const tagProblem = signal<Problem | null>(null);

/** All tags in use, the most used first. */
export const knownTags = computed(() => {
  const times = new Map<string, number>();
  for (const { properties } of geofences.value.values()) {
    for (const tag of properties?.tags ?? []) times.set(tag, (times.get(tag) ?? 0) + 1);
  }
  return [...times].sort(([, a], [, b]) => b - a).map(([tag]) => tag);
});

export function begin(): void {
  tagging.value = { chosen: new Set(), add: [], remove: [] };
  tagProblem.value = null;
}

export function end(): void {
  tagging.value = null;
}

export function change(changes: Partial<Tagging>): void {
  if (tagging.value) tagging.value = { ...tagging.value, ...changes };
}

export function toggle(id: string): void {
  const chosen = new Set(tagging.value?.chosen);
  if (!chosen.delete(id)) chosen.add(id);
  change({ chosen });
}

export async function apply(): Promise<void> {
  const { chosen, add, remove } = tagging.value!;
  const ids = [...chosen];
  tagProblem.value = null;
  let changed = 0;
  for (let done = 0; done < ids.length; done += AT_ONCE) {
    tagged.value = { done, of: ids.length };
    const some = ids.slice(done, done + AT_ONCE);
    const answer = await attempted(() =>
      call<{ changed: number }>("/v1/geofences/tags", { method: "POST", json: { ids: some, add, remove } }),
    );
    if (answer instanceof Problem) {
      tagProblem.value = answer;
      break;
    }
    changed += answer.body.changed;
    retag(some, add, remove);
  }
  tagged.value = null;
  if (tagProblem.value) return;
  tell(
    changed === 1 ? "One geofence was changed. It is live." : `${count(changed)} geofences were changed. It is live.`,
  );
  end();
}

/** The same change to what the page holds, so that it need not be loaded anew. */
function retag(ids: readonly string[], add: readonly string[], remove: readonly string[]): void {
  const next = new Map(geofences.value);
  for (const id of ids) {
    const geofence = next.get(id);
    if (!geofence) continue;
    const all = new Set([...(geofence.properties?.tags ?? []), ...add]);
    const tags = [...all].filter((tag) => !remove.includes(tag));
    next.set(id, { ...geofence, properties: { ...geofence.properties, tags } });
  }
  geofences.value = next;
}

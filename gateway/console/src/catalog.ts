// The geofences and offers of this gateway, loaded once per sign-in and shared by all pages.

import { computed, effect, signal } from "@preact/signals";
import { type Answer, attempted, call, Problem, pages } from "./api/client";
import type { GeofenceFeature, OfferDocument } from "./api/types";

const GEOFENCES_PER_PAGE = 1_000;
const OFFERS_PER_PAGE = 200;
/** Of a larger catalog the rest is loaded in outline, id, name, tags and a point, and the map shows the gateway's tiles. */
const MOST_WHOLE = 2_000;

export type Loading = "loading" | "ready" | Problem;

export const geofences = signal<ReadonlyMap<string, GeofenceFeature>>(new Map());
export const offers = signal<ReadonlyMap<string, OfferDocument>>(new Map());
export const loading = signal<Loading>("loading");
/** Whether there are so many geofences that most are known in outline only. */
export const isLarge = computed(() => geofences.value.size > MOST_WHOLE);
/** Grows whenever geofences have changed, and not when more became known of one. */
export const edition = signal(0);

let isCompleting = false;
effect(() => {
  void geofences.value;
  if (!isCompleting) edition.value = edition.peek() + 1;
});

/** Loads everything anew. A large catalog shows from its first page on, each time it has doubled, and when it is whole. */
export async function load(): Promise<void> {
  loading.value = "loading";
  try {
    await Promise.all([
      gather<GeofenceFeature>(geofencePages(), (found) => (geofences.value = found)),
      gather<OfferDocument>(pages("/v1/offers", OFFERS_PER_PAGE), (found) => (offers.value = found)),
    ]);
    loading.value = "ready";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    loading.value = error;
  }
}

export function geofenceName(id: string): string {
  const name = geofences.value.get(id)?.properties?.name;
  return typeof name === "string" && name ? name : id;
}

export function offerName(id: string): string {
  return offers.value.get(id)?.name || id;
}

/** Loads the whole of a geofence that is known in outline. */
export async function complete(id: string): Promise<void> {
  const answer = await attempted(() => call<GeofenceFeature>(`/v1/geofences/${encodeURIComponent(id)}`));
  if (answer instanceof Problem || !geofences.value.has(id)) return;
  isCompleting = true;
  geofences.value = new Map(geofences.value).set(id, answer.body);
  isCompleting = false;
}

async function* geofencePages(): AsyncGenerator<GeofenceFeature[]> {
  let cursor: string | null = null;
  let count = 0;
  do {
    const query = new URLSearchParams({ limit: String(GEOFENCES_PER_PAGE) });
    if (count >= MOST_WHOLE) query.set("outline", "true");
    if (cursor) query.set("cursor", cursor);
    const { body }: Answer<Page<GeofenceFeature>> = await call(`/v1/geofences?${query}`);
    yield body.items;
    count += body.items.length;
    cursor = body.next_cursor ?? null;
  } while (cursor);
}

interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

async function gather<T extends { id: string }>(
  from: AsyncIterable<T[]>,
  show: (found: ReadonlyMap<string, T>) => void,
): Promise<void> {
  const found = new Map<string, T>();
  let shownAt = 1;
  for await (const items of from) {
    for (const item of items) found.set(item.id, item);
    if (found.size < shownAt) continue;
    show(new Map(found));
    shownAt = found.size * 2;
  }
  show(found);
}

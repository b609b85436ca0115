// The geofences and offers of this gateway, loaded once per sign-in and shared by all pages.

import { signal } from "@preact/signals";
import { Problem, pages } from "./api/client";
import type { GeofenceFeature, OfferDocument } from "./api/types";

const GEOFENCES_PER_PAGE = 1_000;
const OFFERS_PER_PAGE = 200;

export type Loading = "loading" | "ready" | Problem;

export const geofences = signal<ReadonlyMap<string, GeofenceFeature>>(new Map());
export const offers = signal<ReadonlyMap<string, OfferDocument>>(new Map());
export const loading = signal<Loading>("loading");

/** Loads everything anew. A large catalog shows from its first page on, each time it has doubled, and when it is whole. */
export async function load(): Promise<void> {
  loading.value = "loading";
  try {
    await Promise.all([
      gather<GeofenceFeature>("/v1/geofences", GEOFENCES_PER_PAGE, (found) => (geofences.value = found)),
      gather<OfferDocument>("/v1/offers", OFFERS_PER_PAGE, (found) => (offers.value = found)),
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

async function gather<T extends { id: string }>(
  path: string,
  pageSize: number,
  show: (found: ReadonlyMap<string, T>) => void,
): Promise<void> {
  const found = new Map<string, T>();
  let shownAt = 1;
  for await (const items of pages<T>(path, pageSize)) {
    for (const item of items) found.set(item.id, item);
    if (found.size < shownAt) continue;
    show(new Map(found));
    shownAt = found.size * 2;
  }
  show(found);
}

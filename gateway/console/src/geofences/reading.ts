// A dropped GeoJSON file, read in the browser to be looked at before it is sent. The gateway judges it, not we.

import type { GeofenceFeature } from "../api/types";

export interface Preview {
  file: File;
  type: string;
  features: GeofenceFeature[];
  /** Features without a shape we can draw, or without an id. The gateway will say why it refuses them. */
  odd: number;
  added: number;
  changed: number;
  same: number;
  /** Geofences that the gateway has and the file has not. They stay. */
  absent: number;
}

export class Unreadable extends Error {}

const LARGEST_PREVIEW_BYTES = 100_000_000;

export async function read(file: File, known: ReadonlyMap<string, GeofenceFeature>): Promise<Preview> {
  if (file.size > LARGEST_PREVIEW_BYTES) {
    throw new Unreadable("The file is over 100 MB. Upload it with curl to /v1/geofences/import instead.");
  }
  const text = await file.text();
  const { found, type } = parse(text);
  const features: GeofenceFeature[] = [];
  const counts = { odd: 0, added: 0, changed: 0, same: 0 };
  const seen = new Set<string>();
  for (const feature of found) {
    if (!isDrawable(feature)) {
      counts.odd += 1;
      continue;
    }
    const id = String(feature.id);
    const earlier = known.get(id);
    features.push({ ...feature, id });
    seen.add(id);
    if (!earlier) counts.added += 1;
    else if (isSame(earlier, feature)) counts.same += 1;
    else counts.changed += 1;
  }
  const absent = [...known.keys()].filter((id) => !seen.has(id)).length;
  return { file, type, features, absent, ...counts };
}

function parse(text: string): { found: unknown[]; type: string } {
  try {
    const whole = JSON.parse(text) as { type?: string; features?: unknown[] };
    if (whole.type === "Feature") return { found: [whole], type: "application/geo+json" };
    if (Array.isArray(whole.features)) return { found: whole.features, type: "application/geo+json" };
    throw new Unreadable("This JSON is not GeoJSON: it needs a FeatureCollection with features, or one Feature.");
  } catch (error) {
    if (error instanceof Unreadable) throw error;
  }
  const lines = text.split("\n").filter((line) => line.trim());
  try {
    return { found: lines.map((line) => JSON.parse(line) as unknown), type: "application/x-ndjson" };
  } catch {
    throw new Unreadable("This file is not GeoJSON. Save it as GeoJSON (EPSG:4326) in your mapping tool, then drop it.");
  }
}

function isDrawable(feature: unknown): feature is GeofenceFeature {
  const { id, geometry } = (feature ?? {}) as Partial<GeofenceFeature>;
  if (id === undefined || id === null || !geometry) return false;
  const isKnown = ["Polygon", "MultiPolygon", "Point"].includes(geometry.type);
  return isKnown && Array.isArray(geometry.coordinates) && geometry.coordinates.flat(4).every(Number.isFinite);
}

function isSame(known: GeofenceFeature, feature: GeofenceFeature): boolean {
  return (
    JSON.stringify(known.geometry) === JSON.stringify(feature.geometry) &&
    JSON.stringify(sorted(known.properties)) === JSON.stringify(sorted(feature.properties))
  );
}

function sorted(properties: GeofenceFeature["properties"]): unknown {
  return Object.entries(properties ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}

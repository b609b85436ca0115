// A file of geofences as the browser sees it: its kind, and, where it is GeoJSON, shapes to show before it is sent.

import type { GeofenceFeature } from "../api/types";

/** What the gateway reads, by how file names end; the content decides. */
export const FORMATS = ".geojson,.json,.geojsonl,.ndjson,.jsonl,.csv,.kml,.kmz,.zip,.gpkg,.fgb";

export interface Read {
  file: File;
  type: string;
  /** What can be drawn. Whether it is right is for the gateway to say. */
  features: GeofenceFeature[];
}

const LARGEST_DRAWN_BYTES = 50_000_000;

export async function read(file: File): Promise<Read> {
  if (/\.csv$/i.test(file.name)) return { file, type: "text/csv", features: [] };
  if (!/json|\.jsonl$/i.test(file.name)) return { file, type: "application/octet-stream", features: [] };
  const isLines = /\.(ndjson|geojsonl|geojsons|jsonl)$/i.test(file.name);
  const type = isLines ? "application/x-ndjson" : "application/geo+json";
  if (file.size > LARGEST_DRAWN_BYTES) return { file, type, features: [] };
  const features = parse(await file.text(), isLines).flatMap((feature) =>
    isDrawable(feature) ? [{ ...feature, id: String(feature.id ?? "") }] : [],
  );
  return { file, type, features };
}

function parse(text: string, isLines: boolean): unknown[] {
  try {
    if (isLines)
      return text
        .split("\n")
        .filter((line) => line.trim())
        .map((line) => JSON.parse(line) as unknown);
    const whole = JSON.parse(text) as { features?: unknown[] } | null;
    return Array.isArray(whole?.features) ? whole.features : [whole];
  } catch {
    return [];
  }
}

function isDrawable(feature: unknown): feature is GeofenceFeature {
  const { geometry } = (feature ?? {}) as Partial<GeofenceFeature>;
  const isKnown = geometry && ["Polygon", "MultiPolygon", "Point"].includes(geometry.type);
  return (
    Boolean(isKnown) && Array.isArray(geometry!.coordinates) && geometry!.coordinates.flat(4).every(Number.isFinite)
  );
}

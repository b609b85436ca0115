// Geofences and presence as what the map draws: rings, circles as polygons, hexagons, and a point for each store.

import type { Feature, FeatureCollection, Geometry, MultiPolygon, Point, Polygon, Position } from "geojson";
import { cellToBoundary } from "h3-js";
import type { GeofenceFeature } from "../api/types";

const EARTH_RADIUS_M = 6_371_008.8;
const CIRCLE_CORNERS = 48;

export interface StoreFacts {
  id: string;
  name: string;
}

export function areas(geofences: Iterable<GeofenceFeature>): FeatureCollection<Polygon | MultiPolygon, StoreFacts> {
  return collected(geofences, areaOf);
}

export function middles(geofences: Iterable<GeofenceFeature>): FeatureCollection<Point, StoreFacts> {
  return collected(geofences, (geofence) => ({ type: "Point", coordinates: middleOf(geofence) }));
}

function collected<G extends Geometry>(
  geofences: Iterable<GeofenceFeature>,
  draw: (geofence: GeofenceFeature) => G,
): FeatureCollection<G, StoreFacts> {
  const features: Feature<G, StoreFacts>[] = [];
  for (const geofence of geofences) {
    const name = String(geofence.properties?.name ?? "");
    features.push({ type: "Feature", geometry: draw(geofence), properties: { id: geofence.id, name } });
  }
  return { type: "FeatureCollection", features };
}

/** Whether only a point in its middle is known of a geofence; a circle's point has a radius. */
export function isOutline({ geometry, properties }: GeofenceFeature): boolean {
  return geometry.type === "Point" && properties?.radius_m === undefined;
}

export function areaOf(geofence: GeofenceFeature): Polygon | MultiPolygon {
  const { geometry } = geofence;
  if (geometry.type !== "Point") return geometry;
  return circle(geometry.coordinates, Number(geofence.properties?.radius_m ?? 0));
}

/** The polygon of all points `radiusM` great-circle metres from a centre, good to a few hundred kilometres. */
export function circle(center: Position, radiusM: number): Polygon {
  const [lng = 0, lat = 0] = center;
  const latRadius = (radiusM / EARTH_RADIUS_M) * (180 / Math.PI);
  const lngRadius = latRadius / Math.cos((lat * Math.PI) / 180);
  const ring: Position[] = [];
  for (let corner = 0; corner < CIRCLE_CORNERS; corner++) {
    const angle = (2 * Math.PI * corner) / CIRCLE_CORNERS;
    ring.push([lng + lngRadius * Math.cos(angle), lat + latRadius * Math.sin(angle)]);
  }
  ring.push(ring[0]!);
  return { type: "Polygon", coordinates: [ring] };
}

/** Where a store's mark stands: the middle of its outer rings' corners, near enough to point at it. */
export function middleOf(geofence: GeofenceFeature): [number, number] {
  const { geometry } = geofence;
  if (geometry.type === "Point") return [geometry.coordinates[0]!, geometry.coordinates[1]!];
  const rings = geometry.type === "Polygon" ? [geometry.coordinates[0]!] : geometry.coordinates.map((part) => part[0]!);
  return ringMiddle(rings.flatMap((ring, part) => (part === 0 ? ring : ring.slice(1))));
}

/** The mean of a closed ring's corners. */
export function ringMiddle(ring: readonly Position[]): [number, number] {
  const corners = ring.slice(1);
  const total = corners.reduce<[number, number]>((sum, at) => [sum[0] + at[0]!, sum[1] + at[1]!], [0, 0]);
  return [total[0] / corners.length, total[1] / corners.length];
}

/** Great-circle distance (haversine). */
export function distanceM(from: Position, to: Position): number {
  const [lng1 = 0, lat1 = 0] = from.map(radians);
  const [lng2 = 0, lat2 = 0] = to.map(radians);
  const h = Math.sin((lat2 - lat1) / 2) ** 2 + Math.cos(lat1) * Math.cos(lat2) * Math.sin((lng2 - lng1) / 2) ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.sqrt(h));
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

/** West, south, east, north. */
export type Bounds = [number, number, number, number];

/** Around the middles of all geofences; null where there are none. */
export function boundsOf(geofences: Iterable<GeofenceFeature>): Bounds | null {
  let bounds: Bounds | null = null;
  for (const geofence of geofences) {
    const [lng, lat] = middleOf(geofence);
    bounds = bounds
      ? [Math.min(bounds[0], lng), Math.min(bounds[1], lat), Math.max(bounds[2], lng), Math.max(bounds[3], lat)]
      : [lng, lat, lng, lat];
  }
  return bounds;
}

export function hexagons(
  cells: Readonly<Record<string, number>>,
): FeatureCollection<Polygon, { count: number; share: number }> {
  const most = Math.max(1, ...Object.values(cells));
  const features = Object.entries(cells).map(([cell, count]) => ({
    type: "Feature" as const,
    geometry: { type: "Polygon" as const, coordinates: [cellToBoundary(cell, true)] },
    properties: { count, share: count / most },
  }));
  return { type: "FeatureCollection", features };
}

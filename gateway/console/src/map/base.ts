// The base map that the gateway's settings name: raster tiles, vector tiles or an archive of either; by default none.
//
// Vector tiles are drawn in the page's own quiet colours, whether their layers follow Protomaps or OpenMapTiles.

import {
  addProtocol,
  type ExpressionSpecification,
  type LayerSpecification,
  type SourceSpecification,
} from "maplibre-gl";
import { attempted, call, Problem } from "../api/client";
import type { Theme } from "../theme";
import { type Palette, PALETTES } from "./palette";
import { FACE } from "./sources";

interface BaseMap {
  kind: "raster" | "vector" | "pmtiles";
  /** Empty where there is no base map. */
  url: string;
  attribution: string;
}

/** A base map ready to be put under everything else. */
export interface Base {
  source: SourceSpecification;
  layers: (theme: Theme) => LayerSpecification[];
  attribution: string;
}

const SOURCE = "base";
const GREEN = ["park", "nature_reserve", "wood", "forest", "grass", "garden", "meadow", "cemetery", "golf_course"];
const LARGE_ROADS = ["highway", "major_road", "motorway", "trunk", "primary", "secondary"];
const SMALL_ROADS = ["medium_road", "minor_road", "tertiary", "minor", "service"];
const PLACES = ["city", "town", "village", "suburb", "neighbourhood", "locality"];

let asked: Promise<Base | null> | null = null;

/** The base map, asked for once; null where there is none, or where it cannot be read. */
export function baseMap(): Promise<Base | null> {
  return (asked ??= load());
}

async function load(): Promise<Base | null> {
  const answer = await attempted(() => call<BaseMap>("/v1/tiles/base"));
  if (answer instanceof Problem) {
    asked = null; // not signed in yet, or the gateway is away: the next map asks again
    return null;
  }
  const { kind, url, attribution } = answer.body;
  if (!url) return null;
  if (kind === "pmtiles") return archive(new URL(url, location.origin).href, attribution);
  return baseOf(kind, { tiles: [url] }, attribution);
}

async function archive(url: string, attribution: string): Promise<Base | null> {
  const { PMTiles, Protocol, TileType } = await import("pmtiles");
  const protocol = new Protocol();
  const file = new PMTiles(url);
  protocol.add(file);
  addProtocol("pmtiles", protocol.tile);
  const header = await file.getHeader().catch(() => null);
  if (!header) return null;
  const kind = header.tileType === TileType.Mvt ? "vector" : "raster";
  return baseOf(kind, { url: `pmtiles://${url}` }, attribution);
}

function baseOf(kind: "raster" | "vector", from: { tiles: string[] } | { url: string }, attribution: string): Base {
  return kind === "raster"
    ? { source: { type: "raster", tileSize: 256, ...from }, layers: rasterLayers, attribution }
    : { source: { type: "vector", ...from }, layers: (theme) => vectorLayers(PALETTES[theme]), attribution };
}

/** Paler than it is, so that stores and people stand out; darkened for dark pages. */
function rasterLayers(theme: Theme): LayerSpecification[] {
  const paint =
    theme === "light"
      ? { "raster-saturation": -0.5, "raster-brightness-min": 0.15, "raster-brightness-max": 1 }
      : { "raster-saturation": -0.7, "raster-brightness-min": 0, "raster-brightness-max": 0.4 };
  return [{ id: "base", type: "raster", source: SOURCE, paint }];
}

function vectorLayers(palette: Palette): LayerSpecification[] {
  const kind: ExpressionSpecification = ["coalesce", ["get", "kind"], ["get", "class"]];
  const among = (kinds: string[]): ExpressionSpecification => ["in", kind, ["literal", kinds]];
  const isArea: ExpressionSpecification = ["==", ["geometry-type"], "Polygon"];
  const fill = (layer: string, color: string, filter: ExpressionSpecification): LayerSpecification => ({
    id: `base-${layer}`,
    type: "fill",
    source: SOURCE,
    "source-layer": layer,
    filter,
    paint: { "fill-color": color },
  });
  const roads = (layer: string, kinds: string[], width: number): LayerSpecification => ({
    id: `base-${layer}-${width}`,
    type: "line",
    source: SOURCE,
    "source-layer": layer,
    filter: among(kinds),
    layout: { "line-cap": "round", "line-join": "round" },
    paint: {
      "line-color": palette.street,
      "line-width": ["interpolate", ["exponential", 1.7], ["zoom"], 8, 0.3, 16, width, 20, width * 9],
    },
  });
  const names = (layer: string, isPlace: boolean): LayerSpecification => ({
    id: `base-${layer}-names`,
    type: "symbol",
    source: SOURCE,
    "source-layer": layer,
    ...(isPlace ? { filter: ["in", ["coalesce", ["get", "class"], ["get", "kind"]], ["literal", PLACES]] } : {}),
    ...(isPlace ? { maxzoom: 15 } : { minzoom: 14.5 }),
    layout: {
      "symbol-placement": isPlace ? "point" : "line",
      "text-field": ["coalesce", ["get", "name"], ["get", "name:latin"], ""],
      "text-font": FACE,
      "text-size": isPlace ? 12 : 11,
    },
    paint: { "text-color": palette.streetName, "text-halo-color": palette.halo, "text-halo-width": 1.5 },
  });
  return [
    ...["landcover", "landuse", "park"].map((layer) => fill(layer, palette.park, ["all", isArea, among(GREEN)])),
    fill("water", palette.water, isArea),
    ...["roads", "transportation"].flatMap((layer) => [roads(layer, SMALL_ROADS, 4), roads(layer, LARGE_ROADS, 7)]),
    ...["roads", "transportation_name"].map((layer) => names(layer, false)),
    ...["places", "place"].map((layer) => names(layer, true)),
  ];
}

// How stores are drawn: from what the page has loaded, or from the gateway's tiles where there are too many for that.
//
// Both look the same; tiles add counts where points crowd.

import type { ExpressionSpecification, LayerSpecification } from "maplibre-gl";
import type { Palette } from "./palette";
import { FACE, SOURCES } from "./sources";

/** Below this zoom a store is a dot; above, its true shape says more. */
const DOTS_UNTIL_ZOOM = 15.5;

interface Origin {
  prefix: string;
  areas: { source: string; "source-layer"?: string };
  points: { source: string; "source-layer"?: string };
}

const LOADED: Origin = { prefix: "", areas: { source: SOURCES.stores }, points: { source: SOURCES.middles } };
const TILED: Origin = {
  prefix: "tile-",
  areas: { source: SOURCES.tiles, "source-layer": "areas" },
  points: { source: SOURCES.tiles, "source-layer": "stores" },
};
const CLUSTERS = { source: SOURCES.tiles, "source-layer": "clusters" } as const;

/** Layers in which a click may meet a store. */
export const STORE_HITS = ["stores", "store-dots", "tile-stores", "tile-store-dots"];
/** Layers that come from tiles; hidden, and their tiles not asked for, while all stores are loaded. */
export const TILE_LAYERS = [
  "tile-stores",
  "tile-store-edges",
  "tile-store-dots",
  "clusters",
  "tile-chosen",
  "tile-chosen-edge",
  "tile-store-names",
  "cluster-counts",
];
/** Those of them that draw the chosen stores, by a filter on their ids. */
export const CHOSEN_TILE_LAYERS = ["tile-chosen", "tile-chosen-edge"];
export const NONE_CHOSEN: ExpressionSpecification = ["literal", false];

/** The filter that lets through the stores of these ids. */
export function isOneOf(ids: readonly string[]): ExpressionSpecification {
  return ["in", ["get", "id"], ["literal", [...ids]]];
}

export function storeLayers(palette: Palette): LayerSpecification[] {
  return [...shapesOf(LOADED, palette), ...shapesOf(TILED, palette).map(hidden), hidden(clusters(palette))];
}

export function storeNames(palette: Palette): LayerSpecification[] {
  return [namesOf(LOADED, palette), hidden(namesOf(TILED, palette)), hidden(counts(palette))];
}

export function chosenLayers(palette: Palette): LayerSpecification[] {
  const isArea: ExpressionSpecification = ["==", ["geometry-type"], "Polygon"];
  const fill = { "fill-color": palette.chosen, "fill-opacity": 0.18 };
  const line = { "line-color": palette.chosen, "line-width": 2.5 };
  return [
    { id: "chosen", type: "fill", source: SOURCES.chosen, filter: isArea, paint: fill },
    { id: "chosen-edge", type: "line", source: SOURCES.chosen, filter: isArea, paint: line },
    hidden({ id: "tile-chosen", type: "fill", ...TILED.areas, filter: NONE_CHOSEN, paint: fill }),
    hidden({ id: "tile-chosen-edge", type: "line", ...TILED.areas, filter: NONE_CHOSEN, paint: line }),
    {
      id: "chosen-dots",
      type: "circle",
      source: SOURCES.chosen,
      filter: ["==", ["geometry-type"], "Point"],
      maxzoom: DOTS_UNTIL_ZOOM + 0.5,
      paint: {
        "circle-color": palette.chosen,
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 2.5, 15, 5],
        "circle-stroke-color": palette.halo,
        "circle-stroke-width": 1,
      },
    },
  ];
}

function hidden(layer: LayerSpecification): LayerSpecification {
  return { ...layer, layout: { ...layer.layout, visibility: "none" } } as LayerSpecification;
}

function shapesOf({ prefix, areas, points }: Origin, palette: Palette): LayerSpecification[] {
  const isHovered: ExpressionSpecification = ["boolean", ["feature-state", "hover"], false];
  const fading: ExpressionSpecification = [
    "interpolate",
    ["linear"],
    ["zoom"],
    DOTS_UNTIL_ZOOM - 0.5,
    1,
    DOTS_UNTIL_ZOOM + 0.5,
    0,
  ];
  return [
    {
      id: `${prefix}stores`,
      type: "fill",
      ...areas,
      paint: { "fill-color": palette.store, "fill-opacity": ["case", isHovered, 0.35, 0.08] },
    },
    {
      id: `${prefix}store-edges`,
      type: "line",
      ...areas,
      minzoom: DOTS_UNTIL_ZOOM - 1,
      paint: {
        "line-color": palette.store,
        "line-width": ["interpolate", ["linear"], ["zoom"], 15, 0.6, 18, 1.5],
        "line-opacity": ["interpolate", ["linear"], ["zoom"], DOTS_UNTIL_ZOOM - 1, 0, DOTS_UNTIL_ZOOM + 0.5, 0.5],
      },
    },
    {
      id: `${prefix}store-dots`,
      type: "circle",
      ...points,
      maxzoom: DOTS_UNTIL_ZOOM + 0.5,
      paint: {
        "circle-color": palette.store,
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 1.5, 15, 3],
        "circle-stroke-color": palette.halo,
        "circle-stroke-width": 1,
        "circle-opacity": fading,
        "circle-stroke-opacity": fading,
      },
    },
  ];
}

function namesOf({ prefix, points }: Origin, palette: Palette): LayerSpecification {
  return {
    id: `${prefix}store-names`,
    type: "symbol",
    ...points,
    minzoom: 16,
    layout: {
      "text-field": ["get", "name"],
      "text-font": FACE,
      "text-size": ["interpolate", ["linear"], ["zoom"], 16, 10.5, 19, 13],
      "text-max-width": 8,
      "text-padding": 6,
    },
    paint: { "text-color": palette.storeName, "text-halo-color": palette.halo, "text-halo-width": 1.6 },
  };
}

/** A disc whose area grows with the logarithm of what it counts, within its square of the grid. */
function clusters(palette: Palette): LayerSpecification {
  return {
    id: "clusters",
    type: "circle",
    ...CLUSTERS,
    paint: {
      "circle-color": palette.store,
      "circle-opacity": 0.82,
      "circle-radius": ["interpolate", ["linear"], ["ln", ["get", "count"]], 0.7, 5, 5, 11, 11, 16],
      "circle-stroke-color": palette.halo,
      "circle-stroke-width": 1,
    },
  };
}

function counts(palette: Palette): LayerSpecification {
  const count: ExpressionSpecification = ["get", "count"];
  const thousands: ExpressionSpecification = ["concat", ["to-string", ["round", ["/", count, 1000]]], "k"];
  return {
    id: "cluster-counts",
    type: "symbol",
    ...CLUSTERS,
    filter: [">=", count, 5],
    layout: {
      "text-field": ["case", ["<", count, 1000], ["to-string", count], thousands],
      "text-font": FACE,
      "text-size": 10,
      "text-allow-overlap": true,
      "text-ignore-placement": true,
    },
    paint: { "text-color": palette.halo },
  };
}

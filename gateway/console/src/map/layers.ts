// What is drawn, from the ground up. Every layer is a function of the palette: a change of theme repaints, no more.

import type { ExpressionSpecification, LayerSpecification } from "maplibre-gl";
import type { Palette } from "./palette";
import { FACE, SOURCES } from "./sources";
import { chosenLayers, storeLayers, storeNames } from "./stores";

export { SOURCES };

/** Widths of streets at zoom 16, by rank. */
const STREET_WIDTH_PX = { 1: 9, 2: 7, 3: 5, 4: 4, 5: 2 } as const;

export function layers(palette: Palette): LayerSpecification[] {
  return [
    { id: "plain", type: "background", paint: { "background-color": palette.ground } },
    area("parks", "park", palette.park),
    area("water", "water", palette.water),
    ...cellLayers(palette),
    ...streetLayers(palette),
    ...storeLayers(palette),
    ...chosenLayers(palette),
    ...walkLayers(palette),
    ...nameLayers(palette),
  ];
}

function area(id: string, kind: string, color: string): LayerSpecification {
  return {
    id,
    type: "fill",
    source: SOURCES.ground,
    filter: ["==", ["get", "kind"], kind],
    paint: { "fill-color": color },
  };
}

function cellLayers(palette: Palette): LayerSpecification[] {
  const share: ExpressionSpecification = ["get", "share"];
  return [
    {
      id: "cells",
      type: "fill",
      source: SOURCES.cells,
      paint: {
        "fill-color": palette.present,
        "fill-opacity": [
          "interpolate",
          ["linear"],
          ["zoom"],
          14.5,
          ["interpolate", ["linear"], share, 0, 0.1, 1, 0.5],
          17,
          ["interpolate", ["linear"], share, 0, 0.05, 1, 0.18],
        ],
      },
    },
    {
      id: "cell-edges",
      type: "line",
      source: SOURCES.cells,
      paint: { "line-color": palette.present, "line-width": 1, "line-opacity": 0.35 },
    },
  ];
}

function streetLayers(palette: Palette): LayerSpecification[] {
  const isStreet: ExpressionSpecification = ["==", ["get", "kind"], "street"];
  const isNamed: ExpressionSpecification = ["all", isStreet, ["has", "name"], ["<", ["get", "rank"], 5]];
  const round = { "line-cap": "round", "line-join": "round" } as const;
  return [
    {
      id: "street-edges",
      type: "line",
      source: SOURCES.ground,
      filter: ["all", isStreet, ["<", ["get", "rank"], 5]],
      minzoom: 13,
      layout: round,
      paint: { "line-color": palette.streetEdge, "line-width": streetWidth(2) },
    },
    {
      id: "streets",
      type: "line",
      source: SOURCES.ground,
      filter: isStreet,
      layout: { ...round, "line-sort-key": ["-", 0, ["get", "rank"]] },
      paint: { "line-color": palette.street, "line-width": streetWidth(0) },
    },
    {
      id: "street-names",
      type: "symbol",
      source: SOURCES.ground,
      filter: isNamed,
      minzoom: 14.5,
      layout: {
        "symbol-placement": "line",
        "symbol-spacing": 420,
        "symbol-sort-key": ["get", "rank"],
        "text-field": ["get", "name"],
        "text-font": FACE,
        "text-size": 11,
        "text-letter-spacing": 0.02,
      },
      paint: { "text-color": palette.streetName, "text-halo-color": palette.halo, "text-halo-width": 1.5 },
    },
  ];
}

function streetWidth(extraPx: number): ExpressionSpecification {
  const ranks = Object.entries(STREET_WIDTH_PX).flatMap(([rank, px]) => [Number(rank), px + extraPx]);
  const at16 = ["match", ["get", "rank"], ...ranks, 2 + extraPx] as unknown as ExpressionSpecification;
  return ["interpolate", ["exponential", 1.7], ["zoom"], 11, ["*", 0.08, at16], 16, at16, 20, ["*", 9, at16]];
}

function walkLayers(palette: Palette): LayerSpecification[] {
  return [
    {
      id: "walk",
      type: "line",
      source: SOURCES.walk,
      filter: ["==", ["geometry-type"], "LineString"],
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": palette.chosen, "line-width": 3, "line-opacity": 0.7 },
    },
    {
      id: "walk-pings",
      type: "circle",
      source: SOURCES.walk,
      filter: ["==", ["geometry-type"], "Point"],
      paint: {
        "circle-color": palette.chosen,
        "circle-radius": 3.5,
        "circle-stroke-color": palette.halo,
        "circle-stroke-width": 1.5,
      },
    },
  ];
}

function nameLayers(palette: Palette): LayerSpecification[] {
  return [
    ...storeNames(palette),
    {
      id: "cell-counts",
      type: "symbol",
      source: SOURCES.cells,
      maxzoom: 16.5,
      layout: {
        "text-field": ["to-string", ["get", "count"]],
        "text-font": FACE,
        "text-size": 14,
        "text-allow-overlap": true,
        "text-ignore-placement": true,
      },
      paint: { "text-color": palette.presentCount, "text-halo-color": palette.halo, "text-halo-width": 2 },
    },
  ];
}

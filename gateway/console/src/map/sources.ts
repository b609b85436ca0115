// Where what is drawn comes from.

export const SOURCES = {
  ground: "ground",
  cells: "cells",
  stores: "stores",
  middles: "middles",
  /** The stores as the gateway's vector tiles, where there are too many to load them all. */
  tiles: "tiles",
  chosen: "chosen",
  walk: "walk",
} as const;

/** The names on the map are drawn in the page's own typeface; no glyphs are fetched. */
export const FACE = ["Inter Variable", "sans-serif"];

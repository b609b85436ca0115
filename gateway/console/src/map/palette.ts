// The colours of the map in both themes. The ground is quiet so that people, stores and pushes are not.

import type { Theme } from "../theme";

export interface Palette {
  ground: string;
  water: string;
  park: string;
  street: string;
  streetEdge: string;
  streetName: string;
  store: string;
  storeName: string;
  chosen: string;
  halo: string;
  present: string;
  presentCount: string;
}

export const PALETTES: Record<Theme, Palette> = {
  light: {
    ground: "#f3f1ec",
    water: "#cfdde3",
    park: "#dfe8d8",
    street: "#ffffff",
    streetEdge: "#e2ded5",
    streetName: "#8d887c",
    store: "#3c4450",
    storeName: "#2a3039",
    chosen: "#c8441b",
    halo: "#f8f6f2",
    present: "#0d7d72",
    presentCount: "#06443e",
  },
  dark: {
    ground: "#14171c",
    water: "#0d2530",
    park: "#18241d",
    street: "#262b33",
    streetEdge: "#1b1f26",
    streetName: "#6b7280",
    store: "#aab4c2",
    storeName: "#c6ced9",
    chosen: "#ff8a5c",
    halo: "#14171c",
    present: "#2dc4b2",
    presentCount: "#c9f7f0",
  },
};

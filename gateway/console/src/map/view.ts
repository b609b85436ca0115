// A map of this gateway's stores: created once per page, repainted on a change of theme, fed by setters.

import { type GeoJSONSource, Map as Maplibre, NavigationControl, ScaleControl, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import type { FeatureCollection } from "geojson";
import type { GeofenceFeature } from "../api/types";
import { complete } from "../catalog";
import type { Theme } from "../theme";
import type { Base } from "./base";
import { layers } from "./layers";
import { PALETTES } from "./palette";
import { areas, type Bounds, boundsOf, hexagons, isOutline, middleOf, middles } from "./shapes";
import { SOURCES } from "./sources";
import { CHOSEN_TILE_LAYERS, isOneOf, NONE_CHOSEN, STORE_HITS, TILE_LAYERS } from "./stores";

setWorkerUrl(workerUrl);

const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
const CLOSE_ZOOM = 16.5;
/** How much closer a click on a count of stores goes. */
const CLUSTER_STEP = 2;
/** Beyond this a unit of a tile is some 10 cm: the map enlarges what it has. */
const DEEPEST_TILE_ZOOM = 16;
/** Stores that are looked for by id in the tiles; of more only the points are shown. */
const MOST_NAMED = 2_000;
const MARGIN_PX = 40;
/** Where the style sheets put panels above and below the map instead of beside it. */
const NARROW = "(max-width: 900px)";

/** Where the last map was left, so that moving between pages does not move the reader. */
let left: { center: [number, number]; zoom: number } | null = null;

interface Hovered {
  source: string;
  sourceLayer?: string;
  id: string;
}

export class MapView {
  readonly map: Maplibre;
  private readonly ready: Promise<void>;
  private hovered: Hovered | null = null;
  private base: Base | null = null;
  private hasPlace = left !== null;

  constructor(container: HTMLElement, theme: Theme) {
    const drawn = [SOURCES.cells, SOURCES.stores, SOURCES.middles, SOURCES.chosen, SOURCES.walk];
    this.map = new Maplibre({
      container,
      style: {
        version: 8,
        sources: {
          ...Object.fromEntries(drawn.map((name) => [name, { type: "geojson", data: NOTHING, promoteId: "id" }])),
          [SOURCES.ground]: { type: "geojson", data: "/console/ground.geojson" },
          [SOURCES.tiles]: {
            type: "vector",
            tiles: [`${location.origin}/v1/tiles/geofences/{z}/{x}/{y}`],
            maxzoom: DEEPEST_TILE_ZOOM,
            promoteId: "id",
          },
        },
        layers: layers(PALETTES[theme]),
      },
      ...(left ?? { center: [0, 20], zoom: 1.5 }),
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      fadeDuration: 150,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "bottom-left");
    this.map.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-left");
    container.setAttribute("aria-busy", "true");
    this.ready = new Promise((resolve) => this.map.once("load", () => resolve()));
    void this.ready.then(() => container.setAttribute("aria-busy", "false"));
    this.hoverStores("stores");
    this.hoverStores("tile-stores");
    this.enterClusters();
  }

  /** Calls back with the id of a store that is clicked, or null for a click beside all stores. */
  onChoose(chosen: (id: string | null) => void): void {
    this.map.on("click", (event) => {
      if (this.map.queryRenderedFeatures(event.point, { layers: ["clusters"] }).length > 0) return;
      const hits = this.map.queryRenderedFeatures(event.point, { layers: STORE_HITS });
      const id = hits[0]?.properties["id"] as unknown;
      chosen(typeof id === "string" ? id : null);
    });
  }

  /** Puts a base map under everything else. */
  showBase(base: Base, theme: Theme): void {
    this.base = base;
    void this.ready.then(() => {
      this.map.addSource("base", base.source);
      for (const layer of base.layers(theme)) this.map.addLayer(layer, "parks");
    });
    if (base.attribution) this.map.getContainer().append(credit(base.attribution));
  }

  paint(theme: Theme): void {
    void this.ready.then(() => {
      const base = this.map.getSource("base") ? (this.base?.layers(theme) ?? []) : [];
      for (const layer of [...layers(PALETTES[theme]), ...base]) {
        for (const [name, value] of Object.entries(layer.paint ?? {})) {
          this.map.setPaintProperty(layer.id, name as never, value as never);
        }
      }
    });
  }

  /** Draws all stores; the first time it also moves the map to them, until they are `complete`. */
  showStores(geofences: ReadonlyMap<string, GeofenceFeature>, complete: boolean): void {
    this.fill(SOURCES.stores, areas(geofences.values()));
    this.fill(SOURCES.middles, middles(geofences.values()));
    this.showTiles(false);
    this.lookAt(geofences, complete);
  }

  /** Draws the stores from the gateway's tiles, which are asked for again if they were shown before. */
  showTiledStores(geofences: ReadonlyMap<string, GeofenceFeature>, complete: boolean): void {
    this.fill(SOURCES.stores, NOTHING);
    this.fill(SOURCES.middles, NOTHING);
    this.showTiles(true);
    if (complete) void this.ready.then(() => this.map.refreshTiles(SOURCES.tiles));
    this.lookAt(geofences, complete);
  }

  private showTiles(areShown: boolean): void {
    void this.ready.then(() => {
      for (const layer of TILE_LAYERS) {
        this.map.setLayoutProperty(layer, "visibility", areShown ? "visible" : "none");
      }
    });
  }

  private lookAt(geofences: ReadonlyMap<string, GeofenceFeature>, complete: boolean): void {
    if (!this.hasPlace) this.fit(boundsOf(geofences.values()), false);
    if (complete && geofences.size > 0) this.hasPlace = true;
  }

  showPresence(cells: Readonly<Record<string, number>>): void {
    this.fill(SOURCES.cells, hexagons(cells));
  }

  /** Draws these geofences, stored or not, in the colour of what is being looked at. */
  highlight(geofences: Iterable<GeofenceFeature>): void {
    const all = [...geofences];
    const outlines = all.filter(isOutline);
    const points = middles(outlines).features;
    const shapes = areas(all.filter((geofence) => !isOutline(geofence))).features;
    this.fill(SOURCES.chosen, { type: "FeatureCollection", features: [...shapes, ...points] });
    if (outlines.length === 1) void complete(outlines[0]!.id); // whoever looks at one store is told all of it
    const isNamed = outlines.length > 0 && outlines.length <= MOST_NAMED;
    const filter = isNamed ? isOneOf(outlines.map(({ id }) => id)) : NONE_CHOSEN;
    void this.ready.then(() => CHOSEN_TILE_LAYERS.forEach((layer) => this.map.setFilter(layer, filter)));
  }

  /** Any collection in any source; the layers say how it looks. */
  fill(source: string, data: FeatureCollection): void {
    void this.ready.then(() => this.map.getSource<GeoJSONSource>(source)?.setData(data));
  }

  approach(geofence: GeofenceFeature): void {
    this.map.easeTo({
      center: middleOf(geofence),
      zoom: Math.max(this.map.getZoom(), CLOSE_ZOOM),
      padding: this.clear(),
    });
  }

  fit(bounds: Bounds | null, animate = true): void {
    if (bounds) this.map.fitBounds(bounds, { padding: this.clear(), maxZoom: CLOSE_ZOOM, animate });
  }

  /** Resolves once sources and layers are there. */
  whenReady(): Promise<void> {
    return this.ready;
  }

  remove(): void {
    const { lng, lat } = this.map.getCenter();
    if (this.hasPlace) left = { center: [lng, lat], zoom: this.map.getZoom() };
    this.map.remove();
  }

  /** Room for the panels that lie over the map, so that what is shown is not behind them. */
  private clear(): { top: number; right: number; bottom: number; left: number } {
    const around = this.map.getContainer().parentElement!;
    const size = (side: string): DOMRect | undefined =>
      around.querySelector(`:scope > .panel.${side}`)?.getBoundingClientRect();
    const [first, second] = [size("at-left"), size("at-right")];
    const isNarrow = matchMedia(NARROW).matches;
    return {
      top: (isNarrow ? (first?.height ?? 0) : 0) + MARGIN_PX,
      bottom: (isNarrow ? (second?.height ?? 0) : 0) + MARGIN_PX,
      left: (isNarrow ? 0 : (first?.width ?? 0)) + MARGIN_PX,
      right: (isNarrow ? 0 : (second?.width ?? 0)) + MARGIN_PX,
    };
  }

  private hoverStores(layer: string): void {
    this.map.on("mousemove", layer, (event) => {
      this.map.getCanvas().style.cursor = "pointer";
      const hit = event.features?.[0];
      const id = hit?.properties["id"] as string | undefined;
      this.hover(
        hit && id ? { source: hit.source, ...(hit.sourceLayer ? { sourceLayer: hit.sourceLayer } : {}), id } : null,
      );
    });
    this.map.on("mouseleave", layer, () => {
      this.map.getCanvas().style.cursor = "";
      this.hover(null);
    });
  }

  private hover(store: Hovered | null): void {
    if (this.hovered) this.map.setFeatureState(this.hovered, { hover: false });
    if (store) this.map.setFeatureState(store, { hover: true });
    this.hovered = store;
  }

  private enterClusters(): void {
    this.map.on("click", "clusters", (event) => {
      this.map.easeTo({ center: event.lngLat, zoom: this.map.getZoom() + CLUSTER_STEP });
    });
    this.map.on("mouseenter", "clusters", () => (this.map.getCanvas().style.cursor = "zoom-in"));
    this.map.on("mouseleave", "clusters", () => (this.map.getCanvas().style.cursor = ""));
  }
}

/** Whom the base map is owed to, as text: what a setting says is never taken for markup. */
function credit(words: string): HTMLElement {
  const element = document.createElement("p");
  element.className = "map-credit";
  element.textContent = words;
  return element;
}

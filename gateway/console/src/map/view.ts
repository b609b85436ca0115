// A map of this gateway's stores: created once per page, repainted on a change of theme, fed by setters.

import { type GeoJSONSource, Map as Maplibre, NavigationControl, ScaleControl, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import type { FeatureCollection } from "geojson";
import type { GeofenceFeature } from "../api/types";
import type { Theme } from "../theme";
import { layers, SOURCES } from "./layers";
import { PALETTES } from "./palette";
import { areas, type Bounds, boundsOf, hexagons, middleOf, middles } from "./shapes";

setWorkerUrl(workerUrl);

const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
const CLOSE_ZOOM = 16.5;
const MARGIN_PX = 40;
/** Where the style sheets put panels above and below the map instead of beside it. */
const NARROW = "(max-width: 900px)";

/** Where the last map was left, so that moving between pages does not move the reader. */
let left: { center: [number, number]; zoom: number } | null = null;

export class MapView {
  readonly map: Maplibre;
  private readonly ready: Promise<void>;
  private hovered: string | null = null;
  private hasPlace = left !== null;

  constructor(container: HTMLElement, theme: Theme) {
    const sources = Object.values(SOURCES).map((name) => [name, { type: "geojson", data: NOTHING, promoteId: "id" }]);
    this.map = new Maplibre({
      container,
      style: {
        version: 8,
        sources: {
          ...Object.fromEntries(sources),
          [SOURCES.ground]: { type: "geojson", data: "/console/ground.geojson" },
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
    this.ready = new Promise((resolve) => this.map.once("load", () => resolve()));
    this.hoverStores();
  }

  /** Calls back with the id of a store that is clicked, or null for a click beside all stores. */
  onChoose(chosen: (id: string | null) => void): void {
    this.map.on("click", (event) => {
      const hits = this.map.queryRenderedFeatures(event.point, { layers: ["stores", "store-dots"] });
      const id = hits[0]?.properties["id"] as unknown;
      chosen(typeof id === "string" ? id : null);
    });
  }

  paint(theme: Theme): void {
    void this.ready.then(() => {
      for (const layer of layers(PALETTES[theme])) {
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
    if (!this.hasPlace) this.fit(boundsOf(geofences.values()), false);
    if (complete && geofences.size > 0) this.hasPlace = true;
  }

  showPresence(cells: Readonly<Record<string, number>>): void {
    this.fill(SOURCES.cells, hexagons(cells));
  }

  /** Draws these geofences, stored or not, in the colour of what is being looked at. */
  highlight(geofences: Iterable<GeofenceFeature>): void {
    this.fill(SOURCES.chosen, areas(geofences));
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

  private hoverStores(): void {
    this.map.on("mousemove", "stores", (event) => {
      this.map.getCanvas().style.cursor = "pointer";
      this.hover((event.features?.[0]?.properties["id"] as string | undefined) ?? null);
    });
    this.map.on("mouseleave", "stores", () => {
      this.map.getCanvas().style.cursor = "";
      this.hover(null);
    });
  }

  private hover(id: string | null): void {
    for (const [store, hover] of [
      [this.hovered, false],
      [id, true],
    ] as const) {
      if (store !== null) this.map.setFeatureState({ source: SOURCES.stores, id: store }, { hover });
    }
    this.hovered = id;
  }
}

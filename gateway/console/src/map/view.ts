// A map of this gateway's stores: created once per page, repainted on a change of theme, fed by setters.

import { type GeoJSONSource, Map as Maplibre, NavigationControl, ScaleControl, setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import type { FeatureCollection } from "geojson";
import type { GeofenceFeature } from "../api/types";
import type { Theme } from "../theme";
import { layers, SOURCES } from "./layers";
import { PALETTES } from "./palette";
import { areas, boundsOf, hexagons, middleOf, middles } from "./shapes";

setWorkerUrl(workerUrl);

const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };

export interface Padding {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

export class MapView {
  readonly map: Maplibre;
  private readonly ready: Promise<void>;
  private hovered: string | null = null;
  private hasFitted = false;

  constructor(
    container: HTMLElement,
    theme: Theme,
    private readonly padding: () => Padding,
  ) {
    this.map = new Maplibre({
      container,
      style: {
        version: 8,
        sources: {
          [SOURCES.ground]: { type: "geojson", data: "/console/ground.geojson" },
          [SOURCES.stores]: { type: "geojson", data: NOTHING, promoteId: "id" },
          [SOURCES.middles]: { type: "geojson", data: NOTHING },
          [SOURCES.chosen]: { type: "geojson", data: NOTHING },
          [SOURCES.cells]: { type: "geojson", data: NOTHING },
        },
        layers: layers(PALETTES[theme]),
      },
      center: [0, 20],
      zoom: 1.5,
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
      const [hit] = this.map.queryRenderedFeatures(event.point, { layers: ["stores"] });
      chosen(typeof hit?.properties["id"] === "string" ? hit.properties["id"] : null);
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

  showStores(geofences: ReadonlyMap<string, GeofenceFeature>): void {
    this.fill(SOURCES.stores, areas(geofences.values()));
    this.fill(SOURCES.middles, middles(geofences.values()));
    const bounds = this.hasFitted ? null : boundsOf(geofences.values());
    if (bounds) this.map.fitBounds(bounds, { padding: this.padding(), maxZoom: 16, animate: false });
  }

  /** From now on new stores no longer move the map. */
  keepView(): void {
    this.hasFitted = true;
  }

  showPresence(cells: Readonly<Record<string, number>>): void {
    this.fill(SOURCES.cells, hexagons(cells));
  }

  choose(geofence: GeofenceFeature | null): void {
    this.fill(SOURCES.chosen, areas(geofence ? [geofence] : []));
    if (!geofence) return;
    this.map.easeTo({ center: middleOf(geofence), zoom: Math.max(this.map.getZoom(), 16.5), padding: this.padding() });
  }

  remove(): void {
    this.map.remove();
  }

  private fill(source: string, data: FeatureCollection): void {
    void this.ready.then(() => this.map.getSource<GeoJSONSource>(source)?.setData(data));
  }

  private hoverStores(): void {
    this.map.on("mousemove", "stores", (event) => {
      this.map.getCanvas().style.cursor = "pointer";
      const id = event.features?.[0]?.properties["id"] as string | undefined;
      this.hover(id ?? null);
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

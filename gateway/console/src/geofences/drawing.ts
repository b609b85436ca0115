// Drawing and reshaping on the map: the one door to terra-draw. Circles go in and out as a centre and a radius.

import { TerraDraw, TerraDrawCircleMode, TerraDrawPolygonMode, TerraDrawSelectMode } from "terra-draw";
import { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";
import type { Point, Polygon } from "geojson";
import type { GeofenceFeature } from "../api/types";
import { areaOf, distanceM, ringMiddle } from "../map/shapes";
import type { MapView } from "../map/view";
import { PALETTES } from "../map/palette";
import { theme } from "../theme";

export type Drawn = { geometry: Polygon; radiusM: null } | { geometry: Point; radiusM: number };

/** Metres are exact to a decimetre; more digits would only pretend. */
const DECIMALS = 7;

export class Drawing {
  private readonly draw: TerraDraw;

  constructor(view: MapView, changed: (drawn: Drawn, isFinished: boolean) => void) {
    this.draw = new TerraDraw({
      adapter: new TerraDrawMapLibreGLAdapter({ map: view.map, coordinatePrecision: DECIMALS }),
      modes: modes(PALETTES[theme.peek()].chosen as `#${string}`),
    });
    this.draw.start();
    this.draw.on("finish", (id, { mode }) => {
      const drawn = this.read(id, mode);
      if (drawn) changed(drawn, mode !== "select");
    });
  }

  start(mode: "polygon" | "circle"): void {
    this.draw.clear();
    this.draw.setMode(mode);
  }

  /** Puts handles on a geofence. False where its shape has several parts or holes, which cannot be drawn by hand. */
  reshape(feature: GeofenceFeature): boolean {
    const { geometry } = feature;
    if (geometry.type === "MultiPolygon" || (geometry.type === "Polygon" && geometry.coordinates.length > 1))
      return false;
    const mode = geometry.type === "Point" ? "circle" : "polygon";
    const radius = geometry.type === "Point" ? { radiusKilometers: Number(feature.properties?.radius_m) / 1_000 } : {};
    this.draw.clear();
    const id = this.draw.getFeatureId();
    const polygon = rounded(areaOf(feature) as Polygon);
    const [result] = this.draw.addFeatures([
      { type: "Feature", id, geometry: polygon, properties: { mode, ...radius } },
    ]);
    if (!result?.valid) return false;
    this.draw.setMode("select");
    this.draw.selectFeature(id);
    return true;
  }

  stop(): void {
    this.draw.stop();
  }

  private read(id: string | number, mode: string): Drawn | null {
    const feature = this.draw.getSnapshotFeature(id);
    if (feature?.geometry.type !== "Polygon") return null;
    const polygon = feature.geometry as Polygon;
    const isCircle = mode === "circle" || feature.properties["mode"] === "circle";
    if (!isCircle) return { geometry: polygon, radiusM: null };
    const center = ringMiddle(polygon.coordinates[0]!);
    const radiusM = Math.max(1, Math.round(distanceM(center, polygon.coordinates[0]![0]!)));
    return { geometry: { type: "Point", coordinates: center }, radiusM };
  }
}

function modes(color: `#${string}`) {
  const shape = {
    fillColor: color,
    fillOpacity: 0.18,
    outlineColor: color,
    outlineWidth: 2.5,
    closingPointColor: color,
  } as const;
  const corners = { draggable: true, midpoints: true, deletable: true } as const;
  return [
    new TerraDrawPolygonMode({ styles: shape }),
    new TerraDrawCircleMode({
      styles: { fillColor: color, fillOpacity: 0.18, outlineColor: color, outlineWidth: 2.5 },
    }),
    new TerraDrawSelectMode({
      allowManualDeselection: false,
      flags: {
        polygon: { feature: { draggable: true, coordinates: corners } },
        circle: { feature: { draggable: true, coordinates: { resizable: "center" } } },
      },
      styles: {
        selectedPolygonColor: color,
        selectedPolygonOutlineColor: color,
        selectedPolygonOutlineWidth: 2.5,
        selectionPointColor: color,
        selectionPointWidth: 5,
        midPointColor: color,
        midPointWidth: 3,
      },
    }),
  ];
}

function rounded(polygon: Polygon): Polygon {
  const coordinates = polygon.coordinates.map((ring) =>
    ring.map((position) => position.slice(0, 2).map((degrees) => Number(degrees.toFixed(DECIMALS)))),
  );
  return { type: "Polygon", coordinates };
}

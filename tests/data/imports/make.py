"""Writes the files beside it: two stores in every format that is imported, and one file with every usual mistake.

    python tests/data/imports/make.py

The stores are made up. Kamppi is an outline, Kallio an outline with a court; where a format only has circles, both are.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import shapely

HERE = Path(__file__).parent
KAMPPI = [[24.930, 60.168], [24.933, 60.168], [24.933, 60.170], [24.930, 60.170], [24.930, 60.168]]
KALLIO = [[24.950, 60.184], [24.956, 60.184], [24.956, 60.188], [24.950, 60.188], [24.950, 60.184]]
COURT = [[24.952, 60.185], [24.952, 60.187], [24.954, 60.187], [24.954, 60.185], [24.952, 60.185]]
SHAPES = [shapely.Polygon(KAMPPI), shapely.Polygon(KALLIO, [COURT])]
IDS, NAMES = ["kamppi", "kallio"], ["Kamppi äöå", "Kallio"]


def feature(id_: object, geometry: object, **properties: object) -> dict[str, object]:
    """A GeoJSON Feature."""
    return {"type": "Feature", "id": id_, "properties": properties, "geometry": geometry}


def polygon(*rings: object) -> dict[str, object]:
    """A GeoJSON Polygon."""
    return {"type": "Polygon", "coordinates": list(rings)}


def write(name: str, content: str | bytes) -> None:
    """One file beside this one."""
    (HERE / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def texts() -> None:
    """Formats of JSON, CSV and XML."""
    features = [
        feature("kamppi", polygon(KAMPPI), name=NAMES[0]),
        feature("kallio", polygon(KALLIO, COURT), name=NAMES[1]),
    ]
    write("stores.geojson", json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False))
    write("stores.geojsonl", "\n".join(json.dumps(one) for one in features) + "\n")
    wkts = [shapely.to_wkt(shape, rounding_precision=3) for shape in SHAPES]
    write("wkt.csv", f'id;name;wkt;lat;lng\nkamppi;{NAMES[0]};"{wkts[0]}";60,169;24,931\nkallio;Kallio;"{wkts[1]}";;\n')
    write(
        "circles.csv",
        "id,name,lat,lng,radius_m,tags,opening_hours\n"
        f'kamppi,{NAMES[0]},60.169,24.9315,150,mall;city,"Mo-Fr 08:00-18:00\nSa 10:00-16:00"\n'
        "kallio,Kallio,60.186,24.953,150,,\n",
    )
    write(
        "radar.csv",
        "description,tag,externalId,type,radius,coordinates,enabled,metadata.chain,metadata\n"
        f'{NAMES[0]},store,kamppi,polygon,,"{json.dumps(KAMPPI)}",true,north,\n'
        'Kallio,store,kallio,circle,150,"[24.953, 60.186]",false,,"{""floor"": 2}"\n',
    )
    write(
        "google_de.csv",
        "Geschäftscode,Name des Unternehmens,Adresszeile 1,Postleitzahl,Breitengrad,Längengrad,Website\n"
        f"kamppi,{NAMES[0]},Urho Kekkosen katu 1,00100,60.169,24.9315,\n"
        "kallio,Kallio,Hämeentie 1,00530,60.186,24.953,\n",
    )
    write(
        "owntracks.json",
        json.dumps(
            {
                "_type": "waypoints",
                "waypoints": [
                    {"_type": "waypoint", "desc": name, "lat": lat, "lon": lng, "rad": 150, "tst": 1, "rid": id_}
                    for id_, name, lat, lng in (
                        ("kamppi", NAMES[0], 60.169, 24.9315),
                        ("kallio", "Kallio", 60.186, 24.953),
                    )
                ],
            }
        ),
    )
    swapped = ", ".join(f"{lat} {lng}" for lng, lat in KAMPPI)
    areas = [f"POLYGON (({swapped}))", "CIRCLE (60.186 24.953, 150.0)"]
    write(
        "traccar.json",
        json.dumps(
            [
                {"id": id_, "name": id_, "area": area, "attributes": {"speedLimit": 5}}
                for id_, area in zip(IDS, areas, strict=True)
            ]
        ),
    )
    write("traccar.csv", "id,name,area\n" + "".join(f'{i},{i},"{a}"\n' for i, a in zip(IDS, areas, strict=True)))
    write(
        "wialon.json",
        json.dumps(
            [
                {"id": "kamppi", "n": NAMES[0], "t": 2, "p": [{"x": x, "y": y, "r": 0} for x, y in KAMPPI[:-1]]},
                {"id": "kallio", "n": "Kallio", "t": 3, "p": [{"x": 24.953, "y": 60.186, "r": 150}]},
            ]
        ),
    )


def kml() -> None:
    """KML as a drawing program writes it, and its zip."""

    def ring(positions: list[list[float]]) -> str:
        written = "\n".join(f"            {x},{y},0" for x, y in positions)
        return f"<LinearRing><coordinates>\n{written}\n          </coordinates></LinearRing>"

    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2">
  <Document>
    <name>Stores</name>
    <Folder>
      <name>Helsinki</name>
      <Placemark id="kamppi">
        <name>{NAMES[0]}</name>
        <description><![CDATA[<b>Mall</b>]]></description>
        <MultiGeometry>
          <Point><coordinates>24.931,60.169</coordinates></Point>
          <Polygon><outerBoundaryIs>{ring(KAMPPI)}</outerBoundaryIs></Polygon>
        </MultiGeometry>
      </Placemark>
      <Placemark>
        <name>kallio</name>
        <ExtendedData><Data name="floor"><value>2</value></Data></ExtendedData>
        <Polygon>
          <outerBoundaryIs>{ring(KALLIO)}</outerBoundaryIs>
          <innerBoundaryIs>{ring(COURT)}</innerBoundaryIs>
        </Polygon>
      </Placemark>
    </Folder>
  </Document>
</kml>
"""
    write("stores.kml", text)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("files/icon.png", b"\x89PNG")
        archive.writestr("doc.kml", text)
    write("stores.kmz", packed.getvalue())


def layers() -> None:
    """A Shapefile in Finland's grid, a GeoPackage in UTM, a FlatGeobuf in degrees."""

    def save(path: Path, driver: str, crs: str) -> None:
        transformer = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        shapes = [
            shapely.transform(shape, lambda xy: np.stack(transformer.transform(xy[:, 0], xy[:, 1]), axis=1))
            for shape in SHAPES
        ]
        pyogrio.raw.write(
            path,
            shapely.to_wkb(np.array(shapes)),
            [np.array(IDS, dtype=object), np.array(NAMES, dtype=object), np.array([3, 2])],
            ["ref", "name", "floors"],
            geometry_type="Polygon",
            crs=crs,
            driver=driver,
            encoding="UTF-8" if driver == "ESRI Shapefile" else None,
        )

    for name, driver, crs in (("stores.gpkg", "GPKG", "EPSG:32635"), ("stores.fgb", "FlatGeobuf", "EPSG:4326")):
        (HERE / name).unlink(missing_ok=True)
        save(HERE / name, driver, crs)
    save(HERE / "stores.shp", "ESRI Shapefile", "EPSG:3067")
    with zipfile.ZipFile(HERE / "stores.shp.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for ending in ("shp", "shx", "dbf", "prj", "cpg"):
            part = HERE / f"stores.{ending}"
            archive.write(part, f"stores/{part.name}")
            part.unlink()


def messy() -> None:
    """Every mistake once, beside three stores that are as they should be."""
    features = [
        feature("good-1", polygon(KAMPPI)),
        feature("good-2", polygon(KALLIO, COURT)),
        feature("good-3", {"type": "Point", "coordinates": [24.94, 60.17]}, radius_m=150),
        feature(
            "bow-tie", polygon([[24.92, 60.16], [24.922, 60.162], [24.922, 60.16], [24.92, 60.162], [24.92, 60.16]])
        ),
        feature("unclosed", polygon([[24.91, 60.16], [24.912, 60.16], [24.912, 60.162], [24.91, 60.162]])),
        feature(
            "spike",
            polygon(
                [
                    [24.9, 60.16],
                    [24.902, 60.16],
                    [24.902, 60.162],
                    [24.901, 60.162],
                    [24.901, 60.169],
                    [24.901, 60.162],
                    [24.9, 60.162],
                    [24.9, 60.16],
                ]
            ),
        ),
        feature("clockwise", polygon(KAMPPI[::-1])),
        feature("stutter", polygon([KAMPPI[0], *KAMPPI])),
        feature("swapped", {"type": "Point", "coordinates": [60.17, 24.94]}, radius_m=150),
        feature("swapped-outline", polygon([[lat, lng] for lng, lat in KALLIO])),
        feature(
            "utm",
            polygon([[385000, 6671000], [385100, 6671000], [385100, 6671100], [385000, 6671100], [385000, 6671000]]),
        ),
        feature("nowhere", None, name="needs an address"),
        feature("good-1", polygon(KAMPPI), name="twin"),
        feature("line", {"type": "LineString", "coordinates": KAMPPI}),
        feature("tiny", {"type": "Point", "coordinates": [24.94, 60.18]}, radius_m=3),
    ]
    write("messy.geojson", json.dumps({"type": "FeatureCollection", "features": features}, indent=1))


if __name__ == "__main__":
    texts()
    kml()
    layers()
    messy()

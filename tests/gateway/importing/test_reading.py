"""Every format that is imported, read from a file of it: ids, shapes on the ground, lines, and what is said of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import shapely

from gateway.importing.reading import Choices
from gateway.importing.worker import Task, work

FILES = Path(__file__).parents[2] / "data" / "imports"
KAMPPI = shapely.box(24.930, 60.168, 24.933, 60.170)
KALLIO = shapely.box(24.950, 60.184, 24.956, 60.188) - shapely.box(24.952, 60.185, 24.954, 60.187)


class Outcome:
    """What the worker told of a file."""

    def __init__(self, raw: bytes, content_type: str = "", task: Task | None = None, **choices: Any) -> None:
        self.source: dict[str, Any] = {}
        self.refusal = ""
        self.detail = ""
        self.told: dict[str, list[dict[str, Any]]] = {"fault": [], "repair": [], "advice": []}
        self.features: dict[str, dict[str, Any]] = {}
        task = task or Task(content_type=content_type, choices=Choices(**choices))
        for frame in work(task, raw):
            match frame:
                case ["source", facts]:
                    self.source = facts
                case ["unreadable", code, detail]:
                    self.refusal, self.detail = code, detail
                case ["features", features]:
                    self.features |= {id_: msgspec.json.decode(body) for id_, body, _ in features}
                case ["fault" | "repair" | "advice" as name, fact]:
                    self.told[name].append(fact)

    def codes(self, name: str) -> list[tuple[int, str]]:
        return [(fact["index"], fact["code"]) for fact in self.told[name]]


def outcome_of(name: str, **choices: Any) -> Outcome:
    return Outcome((FILES / name).read_bytes(), **choices)


def shape_of(feature: dict[str, Any]) -> Any:
    return shapely.geometry.shape(feature["geometry"])


OUTLINES = [
    ("stores.geojson", "geojson", ""),
    ("stores.geojsonl", "geojson_lines", ""),
    ("wkt.csv", "csv", ""),
    ("stores.kml", "kml", ""),
    ("stores.kmz", "kmz", ""),
    ("stores.shp.zip", "shapefile", "EPSG:3067"),
    ("stores.gpkg", "geopackage", "EPSG:32635"),
    ("stores.fgb", "flatgeobuf", "EPSG:4326"),
]


@pytest.mark.parametrize(("name", "format_", "crs"), OUTLINES, ids=[row[0] for row in OUTLINES])
def test_outlines_are_the_same_on_the_ground_in_every_format(name: str, format_: str, crs: str) -> None:
    outcome = outcome_of(name)
    assert (outcome.source["format"], outcome.source["crs"], outcome.told["fault"]) == (format_, crs, [])
    assert sorted(outcome.features) == ["kallio", "kamppi"]
    for id_, wanted in (("kamppi", KAMPPI), ("kallio", KALLIO)):
        shape = shape_of(outcome.features[id_])
        assert shape.symmetric_difference(wanted).area < 1e-4 * wanted.area
    assert outcome.features["kamppi"]["properties"]["name"] == "Kamppi äöå"


CIRCLES = [
    ("circles.csv", "csv", ["kamppi", "kallio"]),
    ("google_de.csv", "google_business_csv", ["kamppi", "kallio"]),
    ("owntracks.json", "owntracks", ["kamppi", "kallio"]),
    ("radar.csv", "radar_csv", ["kallio"]),
    ("traccar.json", "traccar", ["kallio"]),
    ("traccar.csv", "traccar", ["kallio"]),
    ("wialon.json", "wialon", ["kallio"]),
]


@pytest.mark.parametrize(("name", "format_", "circles"), CIRCLES, ids=[row[0] for row in CIRCLES])
def test_circles_are_where_they_are_in_every_format(name: str, format_: str, circles: list[str]) -> None:
    outcome = outcome_of(name, radius_m=150.0)
    assert (outcome.source["format"], outcome.told["fault"]) == (format_, [])
    assert sorted(outcome.features) == ["kallio", "kamppi"]
    for id_ in circles:
        feature = outcome.features[id_]
        place = {"kamppi": [24.9315, 60.169], "kallio": [24.953, 60.186]}[id_]
        assert feature["geometry"] == {"type": "Point", "coordinates": place}
        assert feature["properties"]["radius_m"] == 150
    if "kamppi" not in circles:
        assert shape_of(outcome.features["kamppi"]).symmetric_difference(KAMPPI).area < 1e-12


def test_what_stands_beside_a_shape_becomes_properties() -> None:
    assert outcome_of("stores.kml").features["kamppi"]["properties"] == {
        "name": "Kamppi äöå", "description": "<b>Mall</b>", "folder": "Helsinki",
    }  # fmt: skip
    assert outcome_of("stores.shp.zip").features["kallio"]["properties"] == {
        "ref": "kallio", "name": "Kallio", "floors": 2,
    }  # fmt: skip
    radar = outcome_of("radar.csv").features
    assert radar["kamppi"]["properties"] == {"name": "Kamppi äöå", "tags": ["store"], "chain": "north"}
    assert radar["kallio"]["properties"] == {
        "name": "Kallio", "tags": ["store"], "floor": 2, "enabled": "false", "radius_m": 150,
    }  # fmt: skip
    assert outcome_of("traccar.json").features["kamppi"]["properties"]["speedLimit"] == 5
    google = outcome_of("google_de.csv", radius_m=100.0)
    assert google.features["kamppi"]["properties"]["postal_code"] == "00100"
    assert google.source["notes"] == ["columns without any value, left out here: Website"]


def test_a_point_beside_an_outline_is_compared_with_it() -> None:
    moved = (FILES / "stores.kml").read_text().replace("24.931,60.169", "25.931,60.169").encode()
    assert Outcome(moved).codes("advice") == [(0, "point_outside")]
    assert outcome_of("stores.kml").codes("advice") == []


def test_hours_and_zones_that_rules_cannot_read_are_told_row_by_row() -> None:
    outcome = Outcome(
        lines(
            "id,lat,lng,radius_m,opening_hours,country",
            "a,60.1,24.9,150,Mo-Fr 10:00-20:00,FI",
            "b,60.2,24.9,150,ask us,Suomi",
        )
    )
    assert outcome.codes("advice") == [(1, "country"), (1, "opening_hours")]
    assert outcome.features["b"]["properties"]["opening_hours"] == "ask us"


def test_a_messy_file_is_mended_where_it_is_sure_and_told_row_by_row() -> None:
    outcome = outcome_of("messy.geojson")
    assert outcome.codes("fault") == [(11, "missing_geometry"), (12, "duplicate_id"), (13, "unsupported_geometry")]
    assert sorted(outcome.codes("repair")) == [
        (3, "bow_tie"), (4, "unclosed_ring"), (5, "spike"), (6, "orientation"), (7, "duplicate_vertices"),
        (8, "swapped_axes"), (9, "swapped_axes"), (10, "reprojected"),
    ]  # fmt: skip
    repairs = {repair["code"]: repair for repair in outcome.told["repair"]}
    assert repairs["bow_tie"]["after"]["type"] == "MultiPolygon"
    assert "EPSG:32635" in repairs["reprojected"]["detail"]
    assert all(repair["before"] and repair["after"] for repair in outcome.told["repair"])
    assert shape_of(outcome.features["swapped-outline"]).within(shapely.box(24.9, 60.1, 25, 60.2))
    assert shape_of(outcome.features["utm"]).within(shapely.box(24.9, 60.1, 25, 60.2))
    assert (14, "small_radius") in outcome.codes("advice")
    assert (14, "small_area") in outcome.codes("advice")


def test_without_repairs_the_same_file_is_refused_row_by_row() -> None:
    raw = (FILES / "messy.geojson").read_bytes()
    outcome = Outcome(raw, task=Task(repairs=False))
    assert outcome.told["repair"] == []
    assert {index for index, _ in outcome.codes("fault")} == {3, 4, 5, 8, 9, 10, 11, 12, 13}


def lines(*rows: str) -> bytes:
    return "\n".join(rows).encode()


def test_rows_know_their_lines_also_after_a_cell_of_several() -> None:
    raw = lines("id,name,lat,lng,radius_m", 'a,"two', 'lines",60.1,24.9,150', "", "b,,sixty,24.9,150", "c,,60,24,1,2,3")
    assert [(f["line"], f["code"]) for f in Outcome(raw).told["fault"]] == [(5, "invalid_row"), (6, "invalid_row")]
    kml = (FILES / "stores.kml").read_text().replace("24.956,60.184,0", "24.956,north,0").encode()
    (fault,) = Outcome(kml).told["fault"]
    assert (fault["line"], fault["code"]) == (21, "invalid_position")
    raw = lines('{"type":"Feature","id":"a"}', "", '{"type"')
    assert [fault["line"] for fault in Outcome(raw, "application/x-ndjson").told["fault"]] == [1, 3]


def test_an_address_without_coordinates_needs_them() -> None:
    raw = lines("Store code,Business name,Address line 1,Latitude,Longitude", "1,Shop,Main street 1,,")
    (fault,) = Outcome(raw).told["fault"]
    assert (fault["line"], fault["code"], fault["detail"][:17]) == (2, "missing_geometry", "needs coordinates")


HEADERS = [
    "Store code,Latitude,Longitude",
    "Code de magasin,Latitude,Longitude",
    "Código de tienda,Latitud,Longitud",
    "Codice negozio,Latitudine,Longitudine",
    "Código da loja,Latitude,Longitude",
    "Winkelcode,Breedtegraad,Lengtegraad",
    "Myymäläkoodi,Leveysaste,Pituusaste",
    "Butikskod,Latitud,Longitud",
    "Kod sklepu,Szerokość geograficzna,Długość geograficzna",
]


@pytest.mark.parametrize("header", HEADERS)
def test_googles_headers_are_known_in_the_language_they_were_downloaded_in(header: str) -> None:
    outcome = Outcome(lines(header, "7,60.1,24.9"), radius_m=120.0)
    assert outcome.source["format"] == "google_business_csv"
    assert outcome.features["7"]["geometry"] == {"type": "Point", "coordinates": [24.9, 60.1]}


def geojson(geometry: object, **members: Any) -> bytes:
    feature = {"type": "Feature", "properties": {"ref": "a"}, "geometry": geometry}
    return msgspec.json.encode({"type": "FeatureCollection", "features": [feature], **members})


def test_the_coordinate_system_is_the_files_or_the_one_that_is_named() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3067"}}
    metres = {"type": "Point", "coordinates": [385000, 6671000]}
    for outcome in (
        Outcome(geojson(metres, crs=crs), radius_m=100.0),
        Outcome(geojson(metres), radius_m=100.0, crs="EPSG:3067"),
        Outcome(lines("ref,wkt", "a,POINT (385000 6671000)"), radius_m=100.0, crs="3067"),
    ):
        assert outcome.source["notes"] == ["reprojected from EPSG:3067"]
        assert outcome.features["a"]["geometry"]["coordinates"] == pytest.approx([24.92802, 60.15969], abs=1e-5)
    assert Outcome(geojson(metres), crs="EPSG:99").refusal == "unknown_crs"


def test_metres_that_nothing_explains_are_told_for_what_they_look_like() -> None:
    (fault,) = Outcome(geojson({"type": "Point", "coordinates": [385000, 6671000]}), radius_m=100.0).told["fault"]
    assert fault["code"] == "projected_coordinates"
    assert "UTM" in fault["detail"]
    assert "?crs=" in fault["detail"]


def test_the_whole_file_may_put_latitude_first() -> None:
    turned = {"type": "Polygon", "coordinates": [[[60.1, 24.9], [60.1, 24.91], [60.11, 24.91], [60.1, 24.9]]]}
    assert shape_of(Outcome(geojson(turned), lat_first=True).features["a"]).bounds == (24.9, 60.1, 24.91, 60.11)
    raw = lines("id,wkt", 'a,"POLYGON ((60.1 24.9, 60.1 24.91, 60.11 24.91, 60.1 24.9))"')
    assert shape_of(Outcome(raw, lat_first=True).features["a"]).bounds == (24.9, 60.1, 24.91, 60.11)


def test_an_id_comes_from_the_property_that_is_named_or_else_is_asked_for() -> None:
    raw = lines("store_nr,lat,lng,radius_m", "7,60.1,24.9,150")
    assert list(Outcome(raw, id_property="store_nr").features) == ["7"]
    (fault,) = Outcome(raw).told["fault"]
    assert fault["code"] == "missing_id"
    assert "store_nr" in fault["detail"]
    (fault,) = Outcome(raw, id_property="shop").told["fault"]
    assert "'shop'" in fault["detail"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CIRCLE (60 24)", "CIRCLE (latitude longitude"),
        ("POLYGON ((24.9 60.1, 24.91", "POINT, POLYGON"),
        ("POLYGON ((24.9 60.1, 24.91 x, 24.9 60.2))", "no position"),
        ("POLYGON (24.9 60.1, 24.91 60.1, 24.9 60.2)", "parentheses"),
        ("POLYGON ((24.9 60.1)))", "parenthesis"),
        ("LINESTRING (24.9 60.1, 24.91 60.1)", "POINT, POLYGON"),
        ("nan", "POINT, POLYGON"),
    ],
)
def test_well_known_text_is_refused_with_its_reason(text: str, said: str) -> None:
    (fault,) = Outcome(lines("id;wkt", f"a;{text}")).told["fault"]
    assert fault["code"] == "invalid_row"
    assert said in fault["detail"]


@pytest.mark.parametrize("text", ["SRID=4326;POLYGON((1 2,3 2,3 4,1 2))", "multipolygon z (((1 2 0, 3 2 0, 3 4 0)))"])
def test_well_known_text_is_read_in_its_dialects(text: str) -> None:
    assert shape_of(Outcome(lines("id,wkt", f'a,"{text}"')).features["a"]).bounds == (1, 2, 3, 4)

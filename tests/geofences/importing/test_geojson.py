"""What an upload may hold, and what is said of what it may not: a code, a sentence, and where."""

from __future__ import annotations

import json
import math
import random
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from geofences.covering import cover
from geofences.importing import (
    FeatureError,
    Limits,
    UnreadableCollection,
    parse_collection,
    parse_feature,
    restore_features,
)
from geofences.index import GeofenceIndex
from geofences.model import Circle, Geofence
from tests.geofences.shapes import any_shape

SQUARE = [[24.0, 60.0], [24.1, 60.0], [24.1, 60.1], [24.0, 60.1], [24.0, 60.0]]


def feature(geometry: object = None, **members: object) -> dict[str, Any]:
    if geometry is None:
        geometry = {"type": "Polygon", "coordinates": [SQUARE]}
    return {"type": "Feature", "id": "s", "properties": {}, "geometry": geometry} | members


def polygon(*rings: object) -> dict[str, Any]:
    return feature({"type": "Polygon", "coordinates": list(rings)})


def point(position: object, **properties: object) -> dict[str, Any]:
    return feature({"type": "Point", "coordinates": position}, properties=properties)


def parsed(doc: object, **options: Any) -> Geofence:
    result = parse_feature(doc, **options)
    assert isinstance(result, Geofence), result
    return result


def refused(doc: object, **options: Any) -> FeatureError:
    result = parse_feature(doc, **options)
    assert isinstance(result, FeatureError)
    return result


def test_a_polygon_becomes_a_geofence() -> None:
    geofence = parsed(feature(properties={"name": "Shop", "tags": ["food", "kiosk"]}))
    assert geofence.id == "s"
    assert geofence.shape == shapely.Polygon(SQUARE)
    assert geofence.properties["name"] == "Shop"
    assert geofence.tags == {"food", "kiosk"}
    assert geofence.area_radius_m == pytest.approx(math.sqrt(5554 * 11119 / math.pi), rel=0.01)


@pytest.mark.parametrize("member", ["radius_m", "radius"])
def test_a_point_with_a_radius_becomes_a_circle(member: str) -> None:
    geofence = parsed(point([24.0, 60.0, 12.5], **{member: 50}))
    assert geofence.shape == Circle(msgspec.convert({"lat": 60.0, "lng": 24.0}, type(geofence.shape.center)), 50.0)  # type: ignore[union-attr]
    assert geofence.area_radius_m == 50


def test_an_integer_id_and_an_id_from_the_address_are_taken() -> None:
    assert parsed(feature(id=17)).id == "17"
    doc = feature()
    del doc["id"]
    assert parsed(doc, geofence_id="from/address").id == "from/address"


BAD: list[tuple[object, str, str]] = [
    (None, "not_a_feature", "/type"),
    ({"type": "FeatureCollection"}, "not_a_feature", "/type"),
    (feature(id=None), "missing_id", "/id"),
    (feature(id=""), "missing_id", "/id"),
    (feature(id=True), "missing_id", "/id"),
    (feature(id="x" * 201), "id_too_long", "/id"),
    (feature(id="a\nb"), "invalid_id", "/id"),
    (feature(radius_m=50), "unknown_field", "/radius_m"),
    (feature(properties=[]), "invalid_properties", "/properties"),
    (feature(properties={"tags": "food"}), "invalid_tags", "/properties/tags"),
    (feature(properties={"priority": "high"}), "invalid_priority", "/properties/priority"),
    (feature(properties={"a/b": [{"n": 2**64}]}), "out_of_range", "/properties/a~1b/0/n"),
    (feature(properties={"priority": -(10**400)}), "out_of_range", "/properties/priority"),
    (feature() | {"geometry": None}, "missing_geometry", "/geometry"),
    (feature([]), "invalid_geometry", "/geometry"),
    (feature({"type": "LineString", "coordinates": SQUARE}), "unsupported_geometry", "/geometry/type"),
    (feature({"type": "GeometryCollection", "geometries": []}), "unsupported_geometry", "/geometry/type"),
    (polygon(), "invalid_polygon", "/geometry/coordinates"),
    (feature({"type": "Polygon"}), "invalid_polygon", "/geometry/coordinates"),
    (feature({"type": "MultiPolygon", "coordinates": []}), "invalid_polygon", "/geometry/coordinates"),
    (polygon(7), "invalid_ring", "/geometry/coordinates/0"),
    (polygon(SQUARE[:-1]), "unclosed_ring", "/geometry/coordinates/0/3"),
    (polygon(SQUARE, SQUARE[:-1]), "unclosed_ring", "/geometry/coordinates/1/3"),
    (polygon([[0, 0], [1, 1], [0, 0]]), "too_few_positions", "/geometry/coordinates/0"),
    (polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), "self_intersection", "/geometry/coordinates"),
    (polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]), "self_intersection", "/geometry/coordinates"),
    (
        polygon(SQUARE, [[25, 61], [25.1, 61], [25.1, 61.1], [25, 61]]),
        "hole_lies_outside_shell",
        "/geometry/coordinates",
    ),
    (
        polygon([[24.0, 60.0], [24.1, "60"], [24.1, 60.1], [24.0, 60.0]]),
        "invalid_position",
        "/geometry/coordinates/0/1/1",
    ),
    (polygon([[24.0], [24.1, 60], [24.1, 60.1], [24.0]]), "invalid_position", "/geometry/coordinates/0/0"),
    (
        polygon([[True, 60.0], [24.1, 60], [24.1, 60.1], [True, 60.0]]),
        "invalid_position",
        "/geometry/coordinates/0/0/0",
    ),
    (
        polygon([[24.0, math.nan], [24.1, 60], [24.1, 60.1], [24.0, math.nan]]),
        "not_finite",
        "/geometry/coordinates/0/0/1",
    ),
    (polygon([[24.0, 60], [math.inf, 60], [24.1, 60.1], [24.0, 60]]), "not_finite", "/geometry/coordinates/0/1/0"),
    (polygon([[24.0, 60], [25, -(10**400)], [24.1, 60.1], [24.0, 60]]), "not_finite", "/geometry/coordinates/0/1/1"),
    (
        polygon([[60.1, 120.9], [60.2, 120.9], [60.2, 121.0], [60.1, 120.9]]),
        "swapped_axes",
        "/geometry/coordinates/0/0",
    ),
    (
        polygon([[385000, 6671000], [385100, 6671000], [385100, 6671100], [385000, 6671000]]),
        "out_of_range",
        "/geometry/coordinates/0/0",
    ),
    (polygon([[-100, -50], [100, -50], [100, 50], [-100, 50], [-100, -50]]), "area_too_large", "/geometry/coordinates"),
    (point([24, 60]), "missing_radius", "/properties/radius_m"),
    (point([24, 60], radius_m="50"), "invalid_radius", "/properties/radius_m"),
    (point([24, 60], radius=-5), "invalid_radius", "/properties/radius"),
    (point([24, 60], radius_m=math.nan), "invalid_radius", "/properties/radius_m"),
    (point([24, 60], radius_m=10**9), "invalid_radius", "/properties/radius_m"),
    (point([24, 95], radius_m=50), "swapped_axes", "/geometry/coordinates"),
]


@pytest.mark.parametrize(("doc", "code", "pointer"), BAD, ids=[f"{code}-{i}" for i, (_, code, _) in enumerate(BAD)])
def test_every_mistake_has_a_code_a_sentence_and_a_place(doc: object, code: str, pointer: str) -> None:
    if code == "area_too_large":
        doc = polygon([[-80, -50], [80, -50], [80, 50], [-80, 50], [-80, -50]])
    error = refused(doc)
    assert (error.code, error.pointer) == (code, pointer)
    assert len(error.detail) > 10


def test_a_bow_tie_is_told_where_it_crosses() -> None:
    assert "[0.5 0.5]".replace(" ", ", ") in refused(polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]])).detail


def test_a_different_id_than_the_address_is_refused() -> None:
    assert refused(feature(), geofence_id="t").code == "other_id"


def test_a_million_vertices_are_refused_before_any_is_read() -> None:
    ring = [[0.0, "never looked at"]] * 1_000_000
    assert refused(polygon(ring)).code == "too_many_vertices"
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    assert refused(feature({"type": "Polygon", "coordinates": deep})).code.startswith("invalid")


def test_swapped_axes_are_seen_anywhere_when_a_region_is_given() -> None:
    finland = Limits(region=(19, 59, 32, 71))
    swapped = polygon([[lat, lng] for lng, lat in SQUARE])
    assert refused(swapped, limits=finland).code == "swapped_axes"
    assert refused(point([2, 48], radius_m=50), limits=finland).code == "outside_region"
    parsed(feature(), limits=finland)


def test_one_feature_swapped_among_others_is_seen_without_a_region() -> None:
    docs = [point([24.9 + i / 1000, 60.1], radius_m=50) | {"id": str(i)} for i in range(4)]
    docs[2]["geometry"]["coordinates"].reverse()
    results = parse_collection(json.dumps({"type": "FeatureCollection", "features": docs}).encode())
    assert [r.code if isinstance(r, FeatureError) else "ok" for _, r in results] == ["ok", "ok", "swapped_axes", "ok"]


def test_in_a_file_from_all_over_the_world_nobody_is_called_swapped() -> None:
    """Its middle is a place where no feature need be: who lies there when turned round is no nearer to his own."""
    cities = [[-99, 19], [-74, 41], [-46, -23], [-4, 40], [10, 45], [40, 10], [77, 43], [116, 40], [139, 36]]
    docs = [point(city, radius_m=50) | {"id": str(i)} for i, city in enumerate(cities)]
    results = parse_collection(json.dumps({"type": "FeatureCollection", "features": docs}).encode())
    assert [r.code for _, r in results if isinstance(r, FeatureError)] == []


@pytest.mark.parametrize("side", [1, -1])
def test_a_polygon_over_the_antimeridian_is_cut_in_two(side: int) -> None:
    """Tile38 takes it the long way round, as shapely does; H3 does not."""
    ring = [[179.9, -17.1], [-179.9, -17.1], [-179.9, -16.9], [179.9, -16.9], [179.9, -17.1]][::side]
    geofence = parsed(polygon(ring))
    west, _, east, _ = geofence.shape.bounds  # type: ignore[union-attr]
    assert (west, east) == (-180, 180)
    index = GeofenceIndex.build([(geofence, cover(geofence.shape))])
    inside = [(-17, 179.95), (-17, -179.95), (-17, 180), (-17, -180)]
    assert all(index.locate(*p) for p in inside)
    assert not index.locate(-17, 0)
    assert not index.locate(-17, 179.8)
    assert not index.locate(-17, -179.8)


def test_holes_follow_their_shell_over_the_antimeridian() -> None:
    shell = [[179, -18], [-179, -18], [-179, -16], [179, -16], [179, -18]]
    hole = [[-179.9, -17.1], [-179.9, -16.9], [-179.5, -16.9], [-179.5, -17.1], [-179.9, -17.1]]
    geofence = parsed(polygon(shell, hole))
    index = GeofenceIndex.build([(geofence, cover(geofence.shape))])
    assert not index.locate(-17, -179.7)
    assert index.locate(-17, -179.95)
    assert index.locate(-17, 179.7)


@pytest.mark.parametrize("pole", [90, -90])
def test_a_ring_round_a_pole_holds_the_pole(pole: int) -> None:
    ring = [[lng, 0.97 * pole] for lng in (-120, -60, 0, 60, 120, 180)]
    geofence = parsed(polygon([*ring, ring[0]]), limits=Limits(max_area_km2=1e9))
    index = GeofenceIndex.build([(geofence, cover(geofence.shape))])
    assert index.locate(pole, 0)
    assert index.locate(0.98 * pole, 179)
    assert not index.locate(0.96 * pole, 10)


def test_a_collection_gives_each_feature_its_index_and_its_result() -> None:
    docs = [feature(), feature(id="t") | {"geometry": None}, feature(), feature(id="u")]
    results = parse_collection(json.dumps({"type": "FeatureCollection", "features": docs}).encode())
    assert [i for i, _ in results] == [0, 1, 2, 3]
    assert [r.code if isinstance(r, FeatureError) else r.id for _, r in results] == [
        "s",
        "missing_geometry",
        "duplicate_id",
        "u",
    ]
    duplicate = results[2][1]
    assert isinstance(duplicate, FeatureError)
    assert "feature 0" in duplicate.detail


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/geo+json-seq", "application/jsonlines"])
def test_newline_delimited_features_are_told_by_line(content_type: str) -> None:
    lines = [
        b"\x1e" + json.dumps(feature()).encode(),
        b"",
        b"{broken",
        json.dumps(feature(id=5) | {"geometry": 1}).encode(),
    ]
    results = parse_collection(b"\n".join(lines) + b"\n", content_type)
    assert [r.line if isinstance(r, FeatureError) else r.id for _, r in results] == ["s", 3, 4]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "invalid_json"),
        (b"[NaN]", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b"[]", "not_a_feature_collection"),
        (b'{"type": "FeatureCollection"}', "not_a_feature_collection"),
        (b'{"type": "Topology", "features": []}', "not_a_feature_collection"),
    ],
)
def test_what_is_no_collection_is_refused_whole(raw: bytes, code: str) -> None:
    with pytest.raises(UnreadableCollection) as caught:
        parse_collection(raw)
    assert caught.value.error.code == code


def test_a_file_has_bounds() -> None:
    with pytest.raises(UnreadableCollection) as caught:
        parse_collection(b" " * 101, limits=Limits(max_bytes=100))
    assert caught.value.error.code == "too_large"
    two = json.dumps({"type": "FeatureCollection", "features": [feature(), feature(id="t")]}).encode()
    with pytest.raises(UnreadableCollection) as caught:
        parse_collection(two, limits=Limits(max_features=1))
    assert caught.value.error.code == "too_many_features"


def _document(geofence: Geofence) -> bytes:
    shape = geofence.shape
    if isinstance(shape, Circle):
        geometry: object = {"type": "Point", "coordinates": [shape.center.lng, shape.center.lat]}
    else:
        geometry = json.loads(shapely.to_geojson(shape))
    return json.dumps(
        {"type": "Feature", "id": geofence.id, "geometry": geometry, "properties": geofence.properties}
    ).encode()


def test_restored_geofences_equal_parsed_ones() -> None:
    rng = random.Random(4)
    made = []
    for i in range(60):
        shape = any_shape(rng)
        properties: dict[str, object] = {"name": f"Köpstad {i}", "tags": ["a"] if i % 3 else [], "priority": i % 2}
        if isinstance(shape, Circle):
            properties["radius_m"] = shape.radius_m
        made.append(Geofence(f"g/{i}", shape, properties=properties))
    documents = [_document(g) for g in made]
    restored = restore_features([(d, 7) for d in documents])
    for i, (document, geofence) in enumerate(zip(documents, restored, strict=True)):
        expected = parsed(json.loads(document), limits=Limits(max_area_km2=1e9))
        assert geofence.id == expected.id
        assert geofence.version == 7
        assert geofence.tags == expected.tags
        assert geofence.priority == expected.priority == i % 2
        assert dict(geofence.properties) == expected.properties
        assert geofence.properties["name"] == expected.properties["name"]
        assert "nothing" not in geofence.properties
        assert geofence.area_radius_m == pytest.approx(expected.area_radius_m)
        assert geofence.shape == expected.shape


def test_restored_shapes_are_the_same_however_their_numbers_are_written() -> None:
    ring, hole = "[[0, 0], [4e0,0.0], [4,\n 4], [-0.0 ,4E+0],[0,0]]", "[[1,1],[2,1],[2,2],[1,1]]"
    geometries = [("Polygon", f"[{ring}]"), ("Polygon", f"[ {ring} , {hole} ]"), ("MultiPolygon", f"[[{ring},{hole}]]")]
    documents = [
        f'{{"type":"Feature","id":"g{i}","geometry":{{"coordinates":{coordinates},"type":"{kind}"}}}}'.encode()
        for i, (kind, coordinates) in enumerate(geometries)
    ]
    square, cut = shapely.box(0, 0, 4, 4), Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (2, 1), (2, 2)]])
    shapes = [geofence.shape for geofence in restore_features([(document, 1) for document in documents])]
    assert all(shape.equals(expected) for shape, expected in zip(shapes, [square, cut, cut], strict=True))


@pytest.mark.parametrize(
    "coordinates", ["[[[0,0],[4,null],[4,4],[0,0]]]", '[[[0,0],[4,"1"],[4,4],[0,0]]]', "[[[0,0],[4]]]"]
)
def test_a_stored_document_that_is_no_geofence_is_told_and_not_guessed(coordinates: str) -> None:
    document = f'{{"type":"Feature","id":"g","geometry":{{"type":"Polygon","coordinates":{coordinates}}}}}'.encode()
    with pytest.raises(msgspec.DecodeError):
        restore_features([(document, 1)])


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)
positions = st.tuples(st.floats(-200, 200) | json_values, st.floats(-100, 100) | json_values).map(list) | json_values
rings = st.lists(positions, max_size=7) | json_values
geometries = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Polygon", "MultiPolygon", "Point"]),
        "coordinates": st.lists(rings, max_size=3) | positions,
    }
)


@given(geometries, json_values)
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_a_valid_geofence_or_an_error(geometry: object, properties: object) -> None:
    result = parse_feature(feature(geometry, properties=properties))
    if isinstance(result, Geofence):
        assert isinstance(result.shape, Circle) or result.shape.is_valid
        covering = cover(result.shape)
        assert covering.interior or covering.boundary


@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=3, max_size=9))
@settings(max_examples=200, deadline=None)
def test_random_rings_are_valid_shapes_within_the_world_or_errors(corners: list[tuple[float, float]]) -> None:
    ring = [list(c) for c in [*corners, corners[0]]]
    result = parse_feature(polygon(ring), Limits(max_area_km2=1e9))
    if isinstance(result, Geofence):
        assert result.shape.is_valid  # type: ignore[union-attr]
        west, south, east, north = result.shape.bounds  # type: ignore[union-attr]
        assert -180 <= west <= east <= 180
        assert -90 <= south <= north <= 90
    else:
        assert result.code


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_collection_or_unreadable(raw: bytes) -> None:
    for content_type in ("application/geo+json", "application/x-ndjson"):
        with suppress(UnreadableCollection):
            assert all(isinstance(r, Geofence | FeatureError) for _, r in parse_collection(raw, content_type))

"""What the geometry doctor repairs, refuses and records, and what the author of a file is told."""

from __future__ import annotations

from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geofences.importing import FeatureError, Limits, Reviewed, Row, UnreadableCollection, advice_on, review
from geofences.importing.repairs import repaired
from geofences.model import Circle, Geofence, LatLng

HELSINKI = LatLng(60.17, 24.94)


def feature(id_: object, coordinates: object, kind: str = "Polygon", **properties: object) -> dict[str, Any]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "id": id_, "properties": properties, "geometry": geometry}


def square(lng: float, lat: float, size: float = 0.002) -> list[list[list[float]]]:
    east, north = lng + size, lat + size
    return [[[lng, lat], [east, lat], [east, north], [lng, north], [lng, lat]]]


def point(id_: str, lng: float, lat: float, radius_m: float = 150) -> dict[str, Any]:
    return feature(id_, [lng, lat], "Point", radius_m=radius_m)


def reviewed(*docs: Any, **options: Any) -> list[Reviewed]:
    return review([Row(doc) for doc in docs], Limits(), **options)


def codes(result: Reviewed) -> list[str]:
    return [repair.code for repair in result.repairs]


# a ring as drawn in thousandths of a degree from (24.9, 60.1), the repairs it takes, and the ring that is left
#   3 . . . .
#   2 d . c .
#   1 . . . .
#   0 a . b .
RINGS: list[tuple[str, list[tuple[int, int]], list[str], list[tuple[int, int]] | None]] = [
    ("clean", [(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)], [], [(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)]),
    ("open", [(0, 0), (2, 0), (2, 2), (0, 2)], ["unclosed_ring"], [(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)]),
    (
        "stuttering",
        [(0, 0), (2, 0), (2, 0), (2, 2), (0, 2), (0, 0), (0, 0)],
        ["duplicate_vertices"],
        [(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)],
    ),
    (
        "with a spike",
        [(0, 0), (2, 0), (2, 2), (1, 2), (1, 9), (1, 2), (0, 2), (0, 0)],
        ["spike"],
        [(0, 0), (2, 0), (2, 2), (1, 2), (0, 2), (0, 0)],
    ),
    (
        "with a spike at its first vertex",
        [(-7, 0), (0, 0), (2, 0), (2, 2), (0, 2), (0, 0), (-7, 0)],
        ["spike"],
        [(2, 0), (2, 2), (0, 2), (0, 0), (2, 0)],
    ),
    (
        "clockwise",
        [(0, 0), (0, 2), (2, 2), (2, 0), (0, 0)],
        ["orientation"],
        [(0, 0), (2, 0), (2, 2), (0, 2), (0, 0)],
    ),
    ("a bow-tie", [(0, 0), (2, 0), (0, 2), (2, 2), (0, 0)], ["bow_tie"], None),
    (
        "all at once",
        [(0, 0), (0, 2), (0, 2), (1, 2), (1, 8), (1, 2), (2, 2), (2, 0)],
        ["duplicate_vertices", "unclosed_ring", "spike", "orientation"],
        [(0, 0), (2, 0), (2, 2), (1, 2), (0, 2), (0, 0)],
    ),
]


@pytest.mark.parametrize(("ring", "done", "left"), [row[1:] for row in RINGS], ids=[row[0] for row in RINGS])
def test_a_ring_is_set_right_and_every_step_is_told(
    ring: list[tuple[int, int]], done: list[str], left: list[tuple[int, int]] | None
) -> None:
    drawn = [[24.9 + x / 1000, 60.1 + y / 1000] for x, y in ring]
    (result,) = reviewed(feature("a", [drawn]))
    assert isinstance(result.found, Geofence)
    assert codes(result) == done
    assert (result.before is not None) is bool(done)
    assert shapely.is_valid(result.found.shape)  # type: ignore[arg-type]
    if left is not None:
        wanted = shapely.Polygon([(24.9 + x / 1000, 60.1 + y / 1000) for x, y in left])
        assert shapely.equals_exact(result.found.shape, wanted, tolerance=1e-12, normalize=True)


def test_a_bow_tie_becomes_its_two_parts_and_shows_as_a_great_change() -> None:
    (result,) = reviewed(feature("a", [[[24.9, 60.1], [24.902, 60.1], [24.9, 60.102], [24.902, 60.102], [24.9, 60.1]]]))
    assert isinstance(result.found, Geofence)
    assert isinstance(result.found.shape, shapely.MultiPolygon)
    (repair,) = result.repairs
    assert repair.area_before_m2 < 1
    assert repair.area_after_m2 == pytest.approx(222 * 111 / 2, rel=0.02)
    assert repair.change_ratio is None


def test_a_change_of_area_is_told_by_its_ratio() -> None:
    ring = square(24.9, 60.1)[0]
    needle = [*ring[:3], [24.90102, 60.102], [24.90101, 60.103], [24.901, 60.102], *ring[3:]]
    (result,) = reviewed(feature("a", [needle]))
    assert codes(result) == ["spike"]
    assert result.repairs[0].change_ratio == pytest.approx(-0.0025, rel=0.02)


def test_a_sharp_corner_that_encloses_ground_is_kept() -> None:
    sliver = [[24.9, 60.1], [24.95, 60.1], [24.95, 60.1002], [24.9, 60.1]]
    (result,) = reviewed(feature("a", [sliver]))
    assert codes(result) == []


def test_holes_are_mended_like_shells_and_empty_ones_left_out() -> None:
    hole = [[24.9005, 60.1005], [24.9015, 60.1005], [24.9015, 60.1015]]
    (result,) = reviewed(feature("a", [*square(24.9, 60.1), hole, [[24.901, 60.101], [24.901, 60.101]]]))
    assert isinstance(result.found, Geofence)
    assert isinstance(result.found.shape, shapely.Polygon)
    assert len(result.found.shape.interiors) == 1
    assert set(codes(result)) == {"unclosed_ring", "duplicate_vertices", "empty_ring", "orientation"}


@pytest.mark.parametrize(
    ("doc", "code"),
    [
        (feature("a", [[[24.9, 60.1], [24.9, "x"], [24.8, 60]]]), "invalid_position"),
        (feature("a", [[[24.9, 60.1], [24.9, 60.1], [24.8, 60]]]), "unclosed_ring"),
        (feature("a", []), "invalid_polygon"),
        (feature("a", [[]]), "too_few_positions"),
        (feature("a", None, "Point", radius_m=50), "invalid_position"),
        (feature("a", [24.9, 60.1], "Point"), "missing_radius"),
        (feature("a", [24.9, 60.1], "LineString"), "unsupported_geometry"),
        (feature(None, square(24.9, 60.1)), "missing_id"),
        (feature("a", [[[24.9, 60.1], [24.91, 60.1], [24.92, 60.1], [24.9, 60.1]]]), "self_intersection"),
    ],
)
def test_what_no_step_can_mend_is_refused_as_ever(doc: dict[str, Any], code: str) -> None:
    (result,) = reviewed(doc)
    assert isinstance(result.found, FeatureError)
    assert (result.found.code, result.repairs, result.before) == (code, [], None)


def test_null_geometry_needs_coordinates() -> None:
    (result,) = reviewed(feature("a", None) | {"geometry": None})
    assert isinstance(result.found, FeatureError)
    assert result.found.code == "missing_geometry"
    assert result.found.detail.startswith("needs coordinates")


def test_without_repairs_every_fault_is_an_error_and_nothing_is_touched() -> None:
    clockwise = [square(24.9, 60.1)[0][::-1]]
    results = reviewed(feature("a", [square(24.9, 60.1)[0][:-1]]), feature("b", clockwise), repairs=False)
    assert [type(result.found) for result in results] == [FeatureError, Geofence]
    assert [result.repairs for result in results] == [[], []]


def test_latitudes_over_90_are_swapped_back() -> None:
    polygon, circle = reviewed(feature("a", square(10, 120)), point("b", 10, 120))
    assert isinstance(polygon.found, Geofence)
    assert isinstance(circle.found, Geofence)
    assert shapely.bounds(polygon.found.shape).tolist()[:2] == [120, 10]
    assert isinstance(circle.found.shape, Circle)
    assert circle.found.shape.center == LatLng(10, 120)
    assert ["swapped_axes" in codes(result) for result in (polygon, circle)] == [True, True]


def test_a_feature_among_the_others_only_when_swapped_is_swapped_back_or_refused() -> None:
    docs = [point("a", 24.9, 60.1), point("b", 24.8, 60.2), point("c", 25.0, 60.2), point("d", 60.15, 24.95)]
    results = reviewed(*docs)
    assert [codes(result) for result in results] == [[], [], [], ["swapped_axes"]]
    assert isinstance(results[3].found, Geofence)
    assert results[3].found.shape == Circle(LatLng(60.15, 24.95), 150)
    refused = reviewed(*docs, repairs=False)[3].found
    assert isinstance(refused, FeatureError)
    assert refused.code == "swapped_axes"


def test_a_whole_file_is_swapped_back_by_the_geofences_that_are_there() -> None:
    turned = [[[lat, lng] for lng, lat in square(24.8, 60.2)[0]]]
    docs = [point("a", 60.1, 24.9), feature("b", turned), point("c", 24.9, 60.3)]
    assert [codes(r) for r in reviewed(*docs, known=[HELSINKI])] == [["swapped_axes"], ["swapped_axes"], []]
    assert "swapped_axes" not in [code for r in reviewed(*docs[:2]) for code in codes(r)]


def test_metres_are_brought_back_where_the_guess_is_sure_and_explained_where_it_is_not() -> None:
    def guess(positions: Any, places: Any) -> Any:
        assert positions == [(385000.0, 6671000.0)]
        return ("EPSG:9", lambda geometry: feature("x", square(24.9, 60.1))["geometry"]) if places else "looks like UTM"

    metres = feature("a", [[[385000, 6671000], [385100, 6671000], [385100, 6671100], [385000, 6671000]]])
    (sure,) = reviewed(metres, known=[HELSINKI], guess=guess)
    assert isinstance(sure.found, Geofence)
    assert codes(sure) == ["reprojected"]
    (unsure,) = reviewed(metres, guess=guess)
    assert isinstance(unsure.found, FeatureError)
    assert (unsure.found.code, unsure.found.detail) == ("projected_coordinates", "looks like UTM")
    (strict,) = reviewed(metres, known=[HELSINKI], guess=guess, repairs=False)
    assert isinstance(strict.found, FeatureError)


def test_a_single_number_gone_wrong_is_no_projection() -> None:
    ring = [[24.9, 60.1], [2490.2, 60.1], [24.9, 60.2], [24.9, 60.1]]
    (result,) = reviewed(feature("a", [ring]), known=[HELSINKI], guess=lambda *_: "looks like metres")
    assert isinstance(result.found, FeatureError)
    assert (result.found.code, result.found.pointer) == ("out_of_range", "/geometry/coordinates/0/1")


def test_an_id_given_twice_is_refused_at_its_second_place() -> None:
    results = review([Row(point("a", 24.9, 60.1), 2), Row(point("a", 24.8, 60.1), 5)], Limits())
    assert isinstance(results[1].found, FeatureError)
    assert (results[1].found.code, results[1].found.detail) == ("duplicate_id", "line 2 already has the id 'a'")


def test_too_many_features_refuse_the_file() -> None:
    with pytest.raises(UnreadableCollection):
        review([Row(point(str(i), 24.9, 60.1)) for i in range(3)], Limits(max_features=2))


def test_an_outline_over_the_antimeridian_is_no_reason_for_a_repair() -> None:
    ring = [[179.9, 10], [-179.9, 10], [-179.9, 10.2], [179.9, 10.2], [179.9, 10]]
    (result,) = reviewed(feature("a", [ring]))
    assert codes(result) == []


def test_the_author_is_told_what_to_look_at() -> None:
    rows = [
        Row(point("small", 24.0, 60.0, 60)),
        Row(feature("large", square(25, 60, 0.05))),
        Row(feature("tiny", square(25.01, 61, 0.00002))),
        Row(feature("within", square(25.01, 60.01, 0.002))),
        Row(feature("apart", square(26, 60), ref="7"), None, LatLng(61, 26)),
        Row(feature("twin", square(26.1, 60), ref=7), None, LatLng(60.001, 26.101)),
        Row(feature("beside", square(25.0495, 60, 0.002))),
    ]
    told = [
        (result.found.id, advice.code)
        for result, advice in advice_on(review(rows, Limits()))
        if isinstance(result.found, Geofence)
    ]
    assert told == [
        ("small", "small_radius"),
        ("large", "large_area"),
        ("tiny", "small_area"),
        ("within", "overlap"),
        ("apart", "point_outside"),
        ("twin", "duplicate_external_id"),
    ]


coordinate = st.integers(0, 6).map(lambda n: n / 1000)
rings = st.lists(st.tuples(coordinate.map(lambda x: 24.9 + x), coordinate.map(lambda y: 60.1 + y)), max_size=9)


@given(st.lists(rings, min_size=1, max_size=3))
def test_whatever_is_drawn_comes_out_valid_or_refused_and_needs_no_second_visit(drawn: list[Any]) -> None:
    """No repair is half a repair: what was mended once is left as it is the second time."""
    (result,) = reviewed(feature("a", drawn))
    if isinstance(result.found, Geofence):
        assert not isinstance(result.found.shape, Circle)
        assert shapely.is_valid(result.found.shape)
        geometry = shapely.geometry.mapping(result.found.shape)
        assert repaired(geometry)[1] == []

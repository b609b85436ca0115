"""Whatever a file holds, its author is told by row, and never by a failure of ours."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.importing.reading import Choices
from gateway.importing.worker import Task, work

numbers = st.one_of(
    st.integers(-200, 200), st.floats(-200, 200), st.sampled_from([385000, 6671000, 1e300, -0.0, 2**70]), st.booleans()
)
scalars = st.one_of(numbers, st.none(), st.sampled_from(["", "a", "24.9", "60,1", "nan", "=1"]))
positions = st.one_of(st.lists(numbers, min_size=2, max_size=3), st.lists(scalars, max_size=3), scalars)
near = st.tuples(st.integers(0, 4).map(lambda n: 24 + n / 100), st.integers(0, 4).map(lambda n: 60 + n / 100))
rings = st.one_of(st.lists(near.map(list), max_size=8), st.lists(positions, max_size=5), scalars)
coordinates = st.one_of(
    positions, st.lists(rings, max_size=3), st.lists(st.lists(rings, max_size=2), max_size=3), scalars
)
kinds = st.one_of(st.sampled_from(["Point", "Polygon", "MultiPolygon", "LineString"]), scalars)
geometries = st.one_of(st.fixed_dictionaries({"type": kinds, "coordinates": coordinates}), scalars, st.just({}))
names = st.sampled_from(["id", "ref", "name", "tags", "radius", "radius_m", "priority", "store_code"])
properties = st.one_of(st.dictionaries(names, st.one_of(scalars, st.lists(scalars, max_size=2)), max_size=4), scalars)
features = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("Feature"), "geometry": geometries, "properties": properties},
        optional={"id": st.one_of(scalars, st.just([])), "extra": scalars},
    ),
    scalars,
)
points = st.lists(st.fixed_dictionaries({"x": scalars, "y": scalars, "r": scalars}), max_size=4)
trackers = st.fixed_dictionaries(
    {},
    optional={
        "id": scalars, "n": scalars, "t": st.sampled_from([2, 3, 1, None]), "area": st.text(max_size=20),
        "p": st.one_of(points, scalars),
        "_type": st.just("waypoint"), "lat": scalars, "lon": scalars, "rad": scalars, "tst": scalars,
    },
)  # fmt: skip
choices = st.builds(
    Choices,
    radius_m=st.sampled_from([None, 100.0]),
    id_property=st.sampled_from([None, "name"]),
    crs=st.sampled_from([None, "EPSG:3067"]),
    lat_first=st.booleans(),
)


def rows_told(raw: bytes, task: Task) -> int | None:
    """How many rows were told of; None where the whole file was refused."""
    told = 0
    for frame in work(task, raw):
        match frame:
            case ["unreadable", _, detail]:
                assert detail
                return None
            case ["features", block]:
                told += len(block)
            case ["fault", fault]:
                assert fault["detail"]
                told += 1
    return told


@settings(deadline=None)
@given(st.lists(features, max_size=4), choices, st.booleans(), st.booleans())
def test_every_feature_is_taken_or_told(docs: list[Any], chosen: Choices, mends: bool, has_known: bool) -> None:
    known = [(60.0, 24.0)] if has_known else []
    task = Task(choices=chosen, repairs=mends, known=known)
    raw = msgspec.json.encode({"type": "FeatureCollection", "features": docs})
    assert rows_told(raw, task) == len(docs)


@settings(deadline=None)
@given(st.lists(trackers, max_size=3))
def test_trackers_files_are_taken_or_told(docs: list[Any]) -> None:
    rows_told(msgspec.json.encode(docs), Task())


odd_cells = st.sampled_from(["POINT (1 2)", "[1,2]", "[[1,2]]", "60", str(math.inf), "{"])
cells = st.one_of(st.text(max_size=12), odd_cells)
columns = st.sampled_from(
    ["id", "lat", "lng", "radius_m", "wkt", "coordinates", "area", "tags", "externalId", "metadata"]
)


@settings(deadline=None)
@given(st.lists(columns, min_size=2, max_size=5), st.lists(st.lists(cells, max_size=6), max_size=4), choices)
def test_tables_are_taken_or_told(header: list[str], rows: list[list[str]], chosen: Choices) -> None:
    text = "\n".join([",".join(header), *(",".join(row) for row in rows)])
    rows_told(text.encode(), Task(choices=chosen))

"""What a map tile shows: true shapes, points, counts where points crowd; bounded, whatever the catalog."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from gateway.catalog.shelf import Shelf
from gateway.ops.tiling import MAX_AREAS, MAX_POINTS, Tiling
from geofences.covering import cover
from geofences.index import GeofenceIndex
from geofences.model import Circle, Geofence, LatLng, Shape
from tests.gateway.ops.decoded import decoded

HELSINKI = LatLng(60.1712, 24.9414)


def geofence(name: str, shape: Shape) -> Geofence:
    return Geofence(id=name, shape=shape, properties={"name": f"Store {name}"})


def tiling(*geofences: Geofence) -> Tiling:
    return Tiling(Shelf(GeofenceIndex.build((one, cover(one.shape)) for one in geofences)))


def square(lat: float, lng: float, side_deg: float) -> shapely.Polygon:
    return shapely.box(lng - side_deg, lat - side_deg / 2, lng + side_deg, lat + side_deg / 2)


def circles(count: int, spread_deg: float, seed: int = 5) -> list[Geofence]:
    dice = random.Random(seed)
    return [
        geofence(
            f"s{number:05}",
            Circle(LatLng(60 + dice.uniform(0, spread_deg), 24 + dice.uniform(0, spread_deg)), 40.0),
        )
        for number in range(count)
    ]


def tile_of(z: int, lat: float, lng: float) -> tuple[int, int, int]:
    """The address by the formula that every map uses."""
    x = (lng + 180) / 360 * 2**z
    y = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**z
    return z, int(x), int(y)


def units(address: tuple[int, int, int], shape: shapely.Geometry) -> shapely.Geometry:
    """A shape in degrees in a tile's units, by the same formula."""
    z, column, row = address

    def project(places: NDArray[np.float64]) -> NDArray[np.float64]:
        x = (places[:, 0] + 180) / 360 * 2**z
        y = (1 - np.arcsinh(np.tan(np.radians(places[:, 1]))) / np.pi) / 2 * 2**z
        return np.column_stack([(x - column) * 4096, (y - row) * 4096])

    return shapely.transform(shape, project)


def test_a_shape_lies_where_it_is_to_half_a_pixel() -> None:
    """What GDAL reads back differs from the true shape by no more than rounding and simplifying may move."""
    shape = shapely.Polygon([(24.9410, 60.1710), (24.9421, 60.1709), (24.9420, 60.1714), (24.9415, 60.1711)])
    address = tile_of(16, 60.1711, 24.9415)
    ((drawn, facts),) = decoded(tiling(geofence("a", shape)).draw(*address))["areas"]
    assert facts == {"id": "a", "name": "Store a"}
    assert shapely.hausdorff_distance(drawn.boundary, units(address, shape).boundary) < 5
    assert drawn.is_valid


def test_holes_and_parts_are_kept() -> None:
    """A hole stays a hole, and parts that lie apart stay parts of one feature."""
    ring = square(60.17, 24.94, 0.002).difference(square(60.17, 24.94, 0.001))
    parts = shapely.MultiPolygon([ring, square(60.1725, 24.94, 0.001)])
    address = tile_of(14, 60.171, 24.94)
    ((drawn, _),) = decoded(tiling(geofence("a", parts)).draw(*address))["areas"]
    assert sorted(len(part.interiors) for part in drawn.geoms) == [0, 1]
    seen = units(address, parts) & shapely.box(-64, -64, 4160, 4160)
    assert drawn.symmetric_difference(seen).area < 0.01 * drawn.area


def test_a_shape_over_many_tiles_is_cut_at_each() -> None:
    """Each tile holds its part of a district, a little beyond its edge, and never far beyond."""
    made = tiling(geofence("district", square(60.17, 24.94, 0.2)))
    z, x, y = tile_of(14, 60.17, 24.94)
    for dx, dy in itertools.product((-1, 0, 1), repeat=2):
        ((drawn, _),) = decoded(made.draw(z, x + dx, y + dy))["areas"]
        assert drawn.equals(shapely.box(-64, -64, 4160, 4160))


def test_what_a_cut_leaves_as_a_line_is_not_drawn() -> None:
    """A shape that only touches the margin of a tile leaves no degenerate rest in it."""
    z, x, y = tile_of(14, 60.17, 24.94)
    west = (x / 2**z - 64 / 4096 / 2**z) * 360 - 180
    made = tiling(geofence("a", shapely.box(west - 0.01, 60.0, west, 60.3)))
    assert made.draw(z, x, y) == b""


def test_a_circle_is_round() -> None:
    """A circle is drawn by its great-circle radius, at any latitude."""
    made = tiling(geofence("a", Circle(HELSINKI, 100.0)))
    address = tile_of(15, HELSINKI.lat, HELSINKI.lng)
    ((drawn, _),) = decoded(made.draw(*address))["areas"]
    m_per_unit = 40_075_017 * np.cos(np.radians(HELSINKI.lat)) / 2**15 / 4096
    west, south, east, north = drawn.bounds
    assert (east - west) * m_per_unit == pytest.approx(200, rel=0.02)
    assert (north - south) * m_per_unit == pytest.approx(200, rel=0.02)


@pytest.mark.parametrize("z", [0, 2, 8, 10, 14, 16])
def test_every_store_is_counted_once_at_every_zoom(z: int) -> None:
    """Points and counts of all tiles of a zoom add up to the catalog: none is lost between tiles, none doubled."""
    geofences = circles(400, 0.05)
    made = tiling(*geofences)
    addresses = {tile_of(z, one.shape.center.lat, one.shape.center.lng) for one in geofences}  # type: ignore[union-attr]
    layers = [decoded(made.draw(*address)) for address in addresses]
    alone = [facts["id"] for layer in layers for _, facts in layer.get("stores", [])]
    crowded = sum(facts["count"] for layer in layers for _, facts in layer.get("clusters", []))
    assert len(alone) == len(set(alone))
    assert len(alone) + crowded == len(geofences)


def test_a_count_stands_among_what_it_counts() -> None:
    """A cluster's point lies in its square of the grid."""
    made = tiling(*circles(50, 0.0001))
    ((place, facts),) = decoded(made.draw(*tile_of(10, 60, 24)))["clusters"]
    assert facts == {"count": 50}
    assert place.distance(units(tile_of(10, 60, 24), shapely.Point(24, 60))) < 300


def test_a_tile_is_bounded() -> None:
    """However many stores stand on one tile, it has at most so many shapes and points, and stays small."""
    made = tiling(*circles(5_000, 0.004))
    for z in (12, 13, 14, 15):
        tile = made.draw(*tile_of(z, 60.002, 24.002))
        layers = decoded(tile)
        assert len(layers.get("areas", [])) <= MAX_AREAS
        assert len(layers.get("stores", [])) + len(layers.get("clusters", [])) <= MAX_POINTS + 24
        assert len(tile) < 300_000


def test_the_largest_shapes_are_drawn_first() -> None:
    """Where shapes are left out, they are the smallest."""
    made = tiling(*circles(1_200, 0.001), geofence("district", square(60.0005, 24.0005, 0.05)))
    ids = {facts["id"] for _, facts in decoded(made.draw(*tile_of(14, 60.0005, 24.0005)))["areas"]}
    assert "district" in ids


def test_what_is_cut_at_the_antimeridian_has_its_point_in_one_of_its_parts() -> None:
    """A geofence on both sides of 180° does not show up in Africa."""
    shape = shapely.MultiPolygon([shapely.box(179.9, -17, 180, -16.9), shapely.box(-180, -17, -179.95, -16.9)])
    made = tiling(geofence("fiji", shape))
    assert [facts["id"] for _, facts in decoded(made.draw(*tile_of(3, -16.95, 179.95)))["stores"]] == ["fiji"]


def test_an_empty_catalog_has_empty_tiles() -> None:
    assert tiling().draw(0, 0, 0) == b""


def test_among_counts_only_shapes_that_are_larger_are_drawn() -> None:
    """A store's shape under a count of its neighbours would only confuse; a district's says something."""
    made = tiling(*circles(50, 0.01), geofence("district", square(60.005, 24.005, 0.1)))
    assert [facts["id"] for _, facts in decoded(made.draw(*tile_of(12, 60.005, 24.005)))["areas"]] == ["district"]
    assert len(decoded(made.draw(*tile_of(14, 60.005, 24.005)))["areas"]) > 5

"""Zipped Shapefiles, GeoPackages and FlatGeobufs through GDAL, which sees one file of our naming and three drivers.

GDAL can read a hundred formats, other files and the network, and files may name them. Here every driver but three is
taken from it before it sees the first byte, what it opens lies in a folder that only holds that file, and its readers
over the network have no name that they would accept.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyogrio
import shapely
from pyogrio import _ogr as _gdal

from gateway.importing.archives import unpack
from gateway.importing.projections import Unproject, projection_of
from gateway.importing.unreadable import Unreadable
from geofences.importing import FeatureError, Limits, Row

DRIVERS: Final = frozenset({"ESRI Shapefile", "GPKG", "FlatGeobuf"})
_PARTS: Final = ("shp", "shx", "dbf", "prj", "cpg")
_ENDINGS: Final = {"geopackage": "gpkg", "flatgeobuf": "fgb"}


class Layer(NamedTuple):
    """A layer's rows, and the name of the coordinate system that they were in; "" where the file does not say."""

    crs: str
    rows: Iterator[Row]


def _restrict_gdal() -> None:
    unwanted = set(pyogrio.list_drivers()) - DRIVERS
    pyogrio.set_gdal_config_options(
        {
            "GDAL_SKIP": ",".join(unwanted),
            "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "none",
            "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
            "SHAPE_RESTORE_SHX": "YES",
        }
    )
    _gdal._register_drivers()  # noqa: SLF001 - registering again is what lets drivers go
    if set(pyogrio.list_drivers()) != DRIVERS:
        raise Unreadable("unavailable", "GDAL does not let its other drivers go; this format is not read here")


_restrict_gdal()


def read_layer(raw: bytes, format_: str, limits: Limits, *, layer: str | None = None, crs: str | None = None) -> Layer:
    """The features of a file's only layer with geometry, or of the one named. ``crs`` overrules what the file says.

    Raises Unreadable.
    """
    with tempfile.TemporaryDirectory(prefix="geopush-import-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what GDAL finds odd is the file author's business, and shows in the rows
        path = _write(raw, format_, Path(folder), limits.max_bytes)
        try:
            name = _chosen(path, layer)
            count = int(pyogrio.read_info(path, layer=name, force_feature_count=True)["features"])
            if count > limits.max_features:
                raise Unreadable("too_many_features", f"the file has more than {limits.max_features} features")
            meta, _, geometry, columns = pyogrio.raw.read(path, layer=name, force_2d=True, datetime_as_string=True)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError, ValueError) as error:
            said = str(error).replace(folder, "").strip(" '/")
            raise Unreadable("unreadable_file", f"GDAL cannot read the {format_}: {said[:300]}") from None
    wanted = crs or meta["crs"]
    named, unproject = projection_of(wanted) if wanted else ("", None)
    return Layer(named, _rows(geometry, meta["fields"], columns, unproject))


def _write(raw: bytes, format_: str, folder: Path, limit_bytes: int) -> Path:
    """The file under a name of ours; a Shapefile's parts as siblings."""
    if format_ != "shapefile":
        path = folder / f"layer.{_ENDINGS[format_]}"
        path.write_bytes(raw)
        return path
    parts = unpack(raw, lambda name: name.rpartition(".")[2].lower() in _PARTS, limit_bytes)
    stems = sorted(str(PurePosixPath(name).with_suffix("")) for name in parts if name.lower().endswith(".shp"))
    if len(stems) != 1:
        raise Unreadable("ambiguous_file", f"the archive holds {len(stems)} Shapefiles; send one at a time")
    for name, content in parts.items():
        if str(PurePosixPath(name).with_suffix("")) == stems[0]:
            (folder / f"layer.{name.rpartition('.')[2].lower()}").write_bytes(content)
    return folder / "layer.shp"


def _chosen(path: Path, wanted: str | None) -> str:
    layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if wanted is not None:
        if wanted not in layers:
            raise Unreadable("unknown_layer", f"there is no layer {wanted[:60]!r}; there are {', '.join(layers)[:200]}")
        return wanted
    if not layers:
        raise Unreadable("unreadable_file", "the file holds no layer with geometry")
    if len(layers) > 1:
        raise Unreadable("ambiguous_file", f"name one layer with ?layer=; there are {', '.join(layers)[:200]}")
    return layers[0]


def _rows(geometry: Any, names: Any, columns: Any, unproject: Unproject | None) -> Iterator[Row]:
    shapes = shapely.from_wkb(geometry, on_invalid="ignore")
    if unproject is not None:
        shapes = shapely.transform(shapes, unproject)
    shapes = shapely.orient_polygons(shapes)
    texts = shapely.to_geojson(shapes)
    for at, text in enumerate(texts):
        properties = {}
        for name, column in zip(names, columns, strict=True):
            value = _value(column[at])
            if value is not None and value != "":
                properties[str(name)] = value
        if text is None and geometry[at] is not None:
            yield Row(FeatureError("unsupported_geometry", "the geometry is no plain polygon or point", "/geometry"))
            continue
        shape = None if text is None else msgspec.json.decode(text)
        yield Row({"type": "Feature", "geometry": shape, "properties": properties})


def _value(raw: Any) -> Any:
    """A column's value as JSON has it; None for what is missing."""
    value = raw.item() if isinstance(raw, np.generic) else raw
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value if isinstance(value, str | int | bool) else None

"""Which valid outlines still want the doctor, many at once: orientation, repeated vertices, spikes.

Most files are clean. This finds the few features that are not in a few passes of numpy, so that only they are walked
vertex by vertex (``repairs``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geofences.importing.repairs import SPIKE_COS
from geofences.model import Shape


def suspects(shapes: Sequence[Shape]) -> list[int]:
    """Places of polygons and multipolygons in ``shapes`` that ``repairs.repaired`` may change; circles never."""
    flat: Any = np.array([s if isinstance(s, shapely.Geometry) else None for s in shapes], dtype=object)
    parts, of_part = shapely.get_parts(flat, return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    if not len(rings):
        return []
    is_shell = np.diff(of_ring, prepend=-1) > 0
    wrong = shapely.is_ccw(rings) != is_shell
    wrong[_rough(rings)] = True
    wanted: list[int] = np.unique(of_part[of_ring[wrong]]).tolist()
    return wanted


def _rough(rings: NDArray[np.object_]) -> NDArray[np.int64]:
    """Places of rings with a vertex right after itself, or a corner as sharp as a spike."""
    points, of_point = shapely.get_coordinates(rings, return_index=True)
    if len(points) < 2:
        return np.empty(0, dtype=np.int64)
    scale = np.cos(np.radians(np.clip(points[:, 1], -89.0, 89.0)))
    same = of_point[1:] == of_point[:-1]
    ahead = np.diff(points, axis=0)
    ahead[:, 0] *= scale[:-1]
    length = np.hypot(ahead[:, 0], ahead[:, 1])
    repeated = same & (length == 0)
    # the edge before each vertex: at a ring's first, the ring's last edge
    first = np.flatnonzero(np.diff(of_point, prepend=-1))
    last = np.append(first[1:], len(points)) - 2
    before = np.arange(len(ahead)) - 1
    starts = first[first < len(ahead)]
    before[starts] = last[: len(starts)]
    dot = (ahead * ahead[before]).sum(axis=1)
    sharp = same & (dot <= SPIKE_COS * length * length[before]) & (length > 0)
    return np.asarray(of_point[:-1][repeated | sharp], dtype=np.int64)

"""What would have been announced to whom, had the pings of a file been live: visit attribution and the naive rule."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec

from gateway.offline.replay import read_pings
from geofences.index import GeofenceIndex
from geofences.model import UNKNOWN_ACCURACY_M, Ping, Transition, TransitionKind
from geofences.stays import StaySettings
from geofences.storefield import StoreField
from geofences.visits import VisitSettings, VisitState, observe

Speed = Literal["as-is", "none", "noisy"]
"""What is done to the pings' speed field before they are used."""

Accuracy = Literal["as-is", "flat"]
"""What is done to their accuracy: ``flat`` is a phone that reports much the same everywhere, indoors and out."""

NAIVE_GAP_MS = 60_000
"""The longest absence that the naive rule bridges."""

NOISE_MPS = 0.6
"""Standard deviation of the normal noise that ``noisy`` adds to the speed field."""

FLAT_SPREAD = 0.25
"""Standard deviation of the logarithm of a ``flat`` accuracy."""


class Detection(msgspec.Struct, frozen=True):
    """One announced visit: known from ``announced_ms`` on, over at ``ended_ms``."""

    user_id: str
    geofence_id: str
    announced_ms: int
    ended_ms: int
    probability: float = 1.0


def detect_visits(
    tracks: Iterable[Sequence[Ping]], stores: StoreField, settings: VisitSettings, min_probability: float = 0.0
) -> Iterator[Detection]:
    """What ``geofences.visits`` announces for each user's pings, once it is announced with ``min_probability``."""
    settings = dataclasses.replace(settings, confirm_at=(min_probability,))
    for track in tracks:
        state: VisitState | None = None
        begun: dict[str, Transition] = {}
        for ping in track:
            state, events = observe(state, ping, stores, settings)
            for event in events:
                if event.kind is TransitionKind.VISIT:
                    if (event.probability or 0.0) >= min_probability:
                        begun.setdefault(event.visit_id, event)
                elif event.visit_id in begun:
                    yield _detection(begun.pop(event.visit_id), event.at_ms)
        for event in begun.values():
            yield _detection(event, track[-1].at_ms)


def _detection(begin: Transition, ended_ms: int) -> Detection:
    return Detection(begin.user_id, begin.geofence_id, begin.at_ms, ended_ms, begin.probability or 0.0)


def detect_naive(tracks: Iterable[Sequence[Ping]], index: GeofenceIndex, min_visit_s: float) -> Iterator[Detection]:
    """The rule to beat: ``min_visit_s`` inside a polygon, absences of up to a minute bridged."""
    for track in tracks:
        located = index.locate_many([ping.lat for ping in track], [ping.lng for ping in track])
        inside: dict[str, _Dwell] = {}
        for ping, geofence_ids in zip(track, located, strict=True):
            for geofence_id in geofence_ids:
                dwell = inside.get(geofence_id)
                if dwell is None or ping.at_ms - dwell.last_ms > NAIVE_GAP_MS:
                    if dwell and dwell.announced_ms:
                        yield Detection(ping.user_id, geofence_id, dwell.announced_ms, dwell.last_ms)
                    dwell = inside[geofence_id] = _Dwell(ping.at_ms, ping.at_ms)
                dwell.last_ms = ping.at_ms
                if not dwell.announced_ms and ping.at_ms - dwell.since_ms >= min_visit_s * 1000:
                    dwell.announced_ms = ping.at_ms
        for geofence_id, dwell in inside.items():
            if dwell.announced_ms:
                yield Detection(track[0].user_id, geofence_id, dwell.announced_ms, dwell.last_ms)


class _Dwell(msgspec.Struct):
    since_ms: int
    last_ms: int
    announced_ms: int = 0


def read_tracks(path: Path, speed: Speed = "as-is", accuracy: Accuracy = "as-is") -> list[list[Ping]]:
    """Each user's pings in order of fix time, from newline-delimited JSON (``.gz`` is unpacked).

    What phones may fail to report is taken away, from a fixed seed, as ``speed`` and ``accuracy`` say.
    """
    tracks: dict[str, list[Ping]] = defaultdict(list)
    for ping in read_pings(path):
        tracks[ping.user_id].append(ping)
    chance = random.Random(0)
    for track in tracks.values():
        track.sort(key=lambda ping: ping.at_ms)
        if speed != "as-is":
            track[:] = [_with_speed(ping, speed, chance) for ping in track]
        if accuracy == "flat":
            usual_m = median(ping.accuracy_m or UNKNOWN_ACCURACY_M for ping in track)
            track[:] = [_with_accuracy(ping, usual_m * math.exp(chance.gauss(0.0, FLAT_SPREAD))) for ping in track]
    return list(tracks.values())


def _with_speed(ping: Ping, speed: Speed, chance: random.Random) -> Ping:
    mps = ping.speed_mps
    if mps is not None:
        mps = max(0.0, mps + chance.gauss(0.0, NOISE_MPS)) if speed == "noisy" else None
    return msgspec.structs.replace(ping, speed_mps=mps)


def _with_accuracy(ping: Ping, accuracy_m: float) -> Ping:
    """The ping with another accuracy, unless it is one of those that a phone itself calls useless."""
    is_useless = ping.accuracy_m is not None and ping.accuracy_m > StaySettings().max_accuracy_m
    return ping if is_useless else msgspec.structs.replace(ping, accuracy_m=accuracy_m)

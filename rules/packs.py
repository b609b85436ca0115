"""Policy packs: when people welcome an offer of each trade, as retail practice has found.

An offer that names a pack and no weekly windows of its own keeps the pack's; one that has its own is compared.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rules.document import Day, Window

_WORKDAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")


class Pack(msgspec.Struct, frozen=True):
    """Weekly windows for one trade, and the practice that they stand for."""

    windows: tuple[Window, ...]
    practice: str


PACKS: Mapping[str, Pack] = {
    "grocery": Pack(
        (Window(start="13:00", end="17:30", days=_WORKDAYS),),
        "after lunch but before the end of the working day",
    ),
    "fashion": Pack(
        (Window(start="09:00", end="12:00", days=("fri", "sat")),),
        "clothes, shoes and toys on Friday or Saturday morning",
    ),
    "big_ticket": Pack((Window(start="09:00", end="12:00", days=_WORKDAYS),), "big purchases before lunch"),
    "leisure": Pack(
        (Window(start="09:00", end="15:00", days=("thu", "fri")),),
        "entertainment on Thursday or Friday before 15:00",
    ),
    "cafe": Pack(
        (
            Window(start="10:30", end="12:30", days=_WORKDAYS),
            Window(start="16:30", end="18:30", days=_WORKDAYS),
        ),
        "cafés before lunch or at the end of the working day",
    ),
}


def windows_of(pack: str, own: tuple[Window, ...]) -> tuple[Window, ...]:
    """The windows an offer keeps: its own, else those of its pack, else none."""
    return own or (PACKS[pack].windows if pack in PACKS else ())

"""Where users are, authoritatively: read many at once, written by compare-and-set, woken when time alone moves them.

A value is eight bytes of version and the presence in MessagePack, in which the part that holds coordinates is sealed
(``seal.py``). Versions are random, so that a value that expired and was made anew is never taken for the old one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from gateway.clock import now_ms as wall_clock_ms
from gateway.store import keys
from gateway.store.connection import Arg, Connection
from gateway.store.present import PresentUsers
from gateway.store.remembered import Held
from gateway.store.scripts import SAVE_PRESENCE, TAKE_DUE_PRESENCE
from gateway.store.seal import Seal
from geofences.h3grid import cell_of
from geofences.presence import Motion, Presence

VERSION_BYTES: Final = 8
SLACK_MS: Final = 60_000
"""How much longer than silence is tolerated a present user is kept, so that the timeout can still be told."""
DUE_LEASE_MS: Final = 10_000
"""Who was taken by a worker that then died is woken again after this long."""
CELL_RES: Final = 9
"""Resolution of the live map's cells: 170 m edges, a city block or two."""


class PresenceChange(msgspec.Struct, frozen=True):
    """A presence to save if it is still at the version that was read. ``due_ms``: when time alone will change it."""

    user_id: str
    expected_version: int
    presence: Presence
    due_ms: int | None


class _Value(msgspec.Struct, frozen=True, array_like=True, gc=False):
    sealed: bytes | None
    presence: Presence


_ABSENT: Final = Held(Presence.EMPTY, 0)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Value).decode
_decode_motion = msgspec.msgpack.Decoder(Motion).decode


class PresenceStore:
    """Reads and saves presences."""

    def __init__(
        self,
        connection: Connection,
        partitions: int,
        present: PresentUsers,
        seal: Seal,
        *,
        presence_ttl_s: float,
        fix_ttl_s: float,
    ) -> None:
        """``presence_ttl_s`` is the silence after which a user has left, ``fix_ttl_s`` how long a fix is kept."""
        self._connection = connection
        self._partitions = partitions
        self._present = present
        self._seal = seal
        self._present_ttl_ms = int(presence_ttl_s * 1000) + SLACK_MS
        self._fix_ttl_ms = int(fix_ttl_s * 1000)
        self._sets = [(keys.present(partition), keys.due(partition)) for partition in range(partitions)]
        self._due_from = 0

    async def load(self, user_ids: Sequence[str]) -> dict[str, Held]:
        """What is known of these users: remembered by this worker, else read in one MGET (one a hash tag in a cluster).

        What is remembered may be old, see ``outdated``; a save of it then loses the race.
        """
        known = self._present.remembered.get
        held = {user_id: known(user_id) for user_id in user_ids}
        unknown = [user_id for user_id, one in held.items() if one is None]
        read = await self._read(unknown)
        return {user_id: one or read[user_id] for user_id, one in held.items()}

    async def outdated(self, held: Mapping[str, Held]) -> set[str]:
        """The users whom somebody else saved since they were remembered; they are forgotten, to be read anew."""
        unsure = [user_id for user_id, one in held.items() if one.is_remembered]
        read = await self._read(unsure)
        changed = {user_id for user_id in unsure if read[user_id].version != held[user_id].version}
        for user_id in changed:
            self._present.remembered.forget(user_id)
        return changed

    async def save(self, changes: Sequence[PresenceChange]) -> set[str]:
        """Save what nobody else saved meanwhile; answers the users who lost the race.

        One script call, or one per partition in a cluster. Each user once at most.
        """
        groups: dict[int, list[PresenceChange]] = {}
        are_present: dict[str, bool] = {}
        begin = self._present.remembered.begin
        for change in changes:
            user_id = change.user_id
            begin(user_id)
            are_present[user_id] = change.presence.is_present
            groups.setdefault(keys.partition_of(user_id, self._partitions), []).append(change)
        news = self._present.expected(are_present)
        written: dict[str, int] = {}
        calls = [{partition: group} for partition, group in groups.items()] if self._connection.is_cluster else [groups]
        replies = await self._connection.run_many(
            SAVE_PRESENCE, [self._save_call(call, are_present, news, written) for call in calls if call]
        )
        lost = {user_id.decode() for reply in replies for user_id in reply}
        keep = self._present.remembered.keep
        for change in changes:
            user_id = change.user_id
            if are_present[user_id] and user_id not in lost:
                keep(user_id, change.presence, written[user_id])
        return lost

    async def due(self, now_ms: int, limit: int) -> Sequence[str]:
        """At most ``limit`` users whose time has come; no other worker gets them for ``DUE_LEASE_MS``."""
        taken: list[str] = []
        self._due_from = (self._due_from + 1) % self._partitions
        asked = [*range(self._due_from, self._partitions), *range(self._due_from)]
        while asked and len(taken) < limit:
            share = max(1, (limit - len(taken)) // len(asked))
            asked = asked[: limit - len(taken)]
            replies = await self._connection.run_many(
                TAKE_DUE_PRESENCE,
                [
                    (
                        [keys.due(partition), keys.present(partition)],
                        [now_ms, share, DUE_LEASE_MS, keys.PRESENT_NEWS, *keys.around_user(partition)],
                    )
                    for partition in asked
                ],
            )
            taken += [user_id.decode() for reply in replies for user_id in reply]
            asked = [partition for partition, reply in zip(asked, replies, strict=True) if len(reply) == share]
        return taken

    async def _read(self, user_ids: Sequence[str]) -> dict[str, Held]:
        partitions = self._partitions
        wanted = [keys.presence(keys.partition_of(user_id, partitions), user_id) for user_id in user_ids]
        values = await self._connection.mget(wanted)
        return {
            user_id: _ABSENT if value is None else self._held(user_id, value)
            for user_id, value in zip(user_ids, values, strict=True)
        }

    def _save_call(
        self,
        groups: Mapping[int, Sequence[PresenceChange]],
        are_present: Mapping[str, bool],
        news: AbstractSet[str],
        written: dict[str, int],
    ) -> tuple[Sequence[str], Sequence[Arg]]:
        """One call of the script; the versions it writes are noted in ``written``."""
        at_ms = wall_clock_ms()
        names: list[str] = []
        row: list[str | int | bool] = []
        values: list[bytes] = []
        for partition, group in groups.items():
            names += self._sets[partition]
            row.append(len(group))
            for change in group:
                user_id, presence = change.user_id, change.presence
                names.append(keys.presence(partition, user_id))
                ttl_ms = self._present_ttl_ms
                cell: str | bool = False
                if are_present[user_id]:
                    cell = _cell(presence.motion)
                else:
                    presence, ttl_ms = self._lifetime(presence, at_ms)
                written[user_id] = version = random.getrandbits(63) | 1
                value = b"" if presence == Presence.EMPTY else self._value(user_id, presence, version)
                values.append(change.expected_version.to_bytes(VERSION_BYTES, "big") + value)
                row += (user_id, ttl_ms, change.due_ms or False, cell, user_id in news)
        return names, [keys.PRESENT_NEWS, self._present.origin, _encode(row), *values]

    def _lifetime(self, presence: Presence, at_ms: int) -> tuple[Presence, int]:
        """How long to keep the presence of a user who is nowhere, in ms; his fix goes when its own time is over."""
        if presence.motion is None:
            return presence, self._fix_ttl_ms
        left_ms = min(self._fix_ttl_ms, presence.motion.at_ms + self._fix_ttl_ms - at_ms)
        if left_ms > 0:
            return presence, left_ms
        return msgspec.structs.replace(presence, motion=None), self._fix_ttl_ms

    def _value(self, user_id: str, presence: Presence, version: int) -> bytes:
        sealed = None
        if presence.motion is not None:
            sealed = self._seal.close(_encode(presence.motion), user_id)
            presence = Presence(presence.last_at_ms, presence.stays, presence.near)
        return version.to_bytes(VERSION_BYTES, "big") + _encode(_Value(sealed, presence))

    def _held(self, user_id: str, value: bytes) -> Held:
        version = int.from_bytes(value[:VERSION_BYTES], "big")
        held = _decode(memoryview(value)[VERSION_BYTES:])
        presence = held.presence
        if held.sealed is not None:
            plain = self._seal.open(held.sealed, user_id)
            if plain is not None:
                presence = msgspec.structs.replace(presence, motion=_decode_motion(plain))
        return Held(presence, version)


def _cell(motion: Motion | None) -> str:
    """The coarse cell of a fix in hexadecimal, empty where it is not known."""
    return "" if motion is None else f"{cell_of(motion.lat, motion.lng, CELL_RES):x}"

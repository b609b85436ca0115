"""What is stored of users, read by one MGET for all that a batch wants to know of them; records decoded when asked.

Of a user's records, hundreds where he goes a lot, a decision looks at those that its offers name, and a visit at one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from gateway.store import keys
from gateway.store.claiming import past_pushes
from gateway.store.connection import Connection
from gateway.store.users import Habits, StoredHabits, User
from gateway.store.versioned import VERSION_BYTES
from rules.behaviour import EventRecord, VisitRecord
from rules.model import Consent, Shopper

_NO_HABITS: Final = StoredHabits()
_decode_user = msgspec.msgpack.Decoder(User).decode
_decode_habits = msgspec.msgpack.Decoder(Habits).decode
_decode_stored = msgspec.msgpack.Decoder(StoredHabits).decode
_decode_event = msgspec.msgpack.Decoder(EventRecord).decode
decode_visit = msgspec.msgpack.Decoder(VisitRecord).decode
_R = TypeVar("_R")


class Records(Mapping[str, _R]):
    """Records by name, each decoded when it is looked at."""

    __slots__ = ("_decode", "_stored")

    def __init__(self, stored: Mapping[str, msgspec.Raw], decode: Callable[[msgspec.Raw], _R]) -> None:
        self._stored = stored
        self._decode = decode

    def __getitem__(self, name: str) -> _R:
        return self._decode(self._stored[name])

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


class Known:
    """The stored values of one user."""

    __slots__ = ("_habits", "behaviour", "profile", "pushes", "user", "user_id")

    def __init__(self, user_id: str, profile: bytes | None, pushes: bytes | None, behaviour: bytes | None) -> None:
        """None stands for what is not stored."""
        self.user_id = user_id
        self.profile = profile
        self.pushes = pushes
        self.behaviour = behaviour
        self.user: User | None = None if profile is None else _decode_user(memoryview(profile)[VERSION_BYTES:])
        self._habits: StoredHabits | None = None

    @property
    def stored_habits(self) -> StoredHabits:
        """What he did so far, as far as it takes to find a record."""
        if self._habits is None:
            behaviour = self.behaviour
            self._habits = _NO_HABITS if behaviour is None else _decode_stored(memoryview(behaviour)[VERSION_BYTES:])
        return self._habits

    @property
    def habits(self) -> Habits:
        """What he did so far, decoded each time it is asked for."""
        return Habits() if self.behaviour is None else _decode_habits(memoryview(self.behaviour)[VERSION_BYTES:])

    @property
    def is_profiled(self) -> bool:
        """Whether he consented to profiling."""
        return self.user is not None and self.user.consent.profiling.granted

    @property
    def versions(self) -> tuple[bytes, bytes]:
        """Of profile and behaviour, empty for what is not stored."""
        return (self.profile or b"")[:VERSION_BYTES], (self.behaviour or b"")[:VERSION_BYTES]

    def shopper(self) -> Shopper | None:
        """What a decision may know of him; None without a profile."""
        user = self.user
        if user is None:
            return None
        consent, habits = user.consent, self.stored_habits
        return Shopper(
            user_id=self.user_id,
            locale=user.locale,
            time_zone=user.time_zone,
            attributes=user.attributes,
            consent=Consent(consent.location.granted, consent.push.granted, consent.profiling.granted),
            platforms=frozenset(device.platform for device in user.devices if device.refused is None),
            devices=tuple(
                {"device_id": d.device_id, "platform": d.platform, "app": d.app, "app_version": d.app_version}
                for d in user.devices
            ),
            events=Records(habits.events, _decode_event),
            visits=Records(habits.visits, decode_visit),
            history=past_pushes(self.pushes),
        )


async def read_known(connection: Connection, partitions: int, user_ids: Iterable[str]) -> Mapping[str, Known]:
    """What is stored of these users: one MGET, or one per partition in a cluster."""
    wanted = list(user_ids)
    names: list[str] = []
    for user_id in wanted:
        partition = keys.partition_of(user_id, partitions)
        names += (
            keys.profile(partition, user_id),
            keys.pushes(partition, user_id),
            keys.behaviour(partition, user_id),
        )
    values = iter(await connection.mget(names))
    return {
        user_id: Known(user_id, *stored)
        for user_id, stored in zip(wanted, zip(values, values, values, strict=True), strict=True)
    }

"""What is known of users: consent, attributes, devices; and everything that a decision about them looks at.

One string per user and concern, replaced by compare-and-set, so that a batch of users is read by a single MGET.
A push token belongs to one user at a time: registering it for another takes it from the first, whose phone it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from gateway.clock import now_ms
from gateway.store import keys
from gateway.store.connection import Connection
from gateway.store.erasure import erase, erased_at_ms, export
from gateway.store.known import Known, read_known
from gateway.store.pseudonyms import Pseudonyms, token_digest
from gateway.store.users import ConsentFlag, ConsentFlags, Device, TokenRefusal, User
from gateway.store.versioned import Versioned
from rules.model import Shopper

__all__ = ["ConsentFlag", "ConsentFlags", "Device", "Profiles", "TokenNews", "TokenRefusal", "User"]

MAX_DEVICES: Final = 20
"""Devices per user; the one registered longest ago makes room."""


class TokenNews(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider said of the token of a device, as it was registered at ``registered_at_ms``.

    ``gone_since_ms`` is from when it calls the token gone, 0 where it does not say; None for a token that was never
    good: malformed, or of another app or sender.
    """

    user_id: str
    token: str
    registered_at_ms: int
    reason: str
    at_ms: int
    gone_since_ms: int | None = None


class Profiles:
    """Reads and writes users."""

    def __init__(self, connection: Connection, partitions: int, pseudonyms: Pseudonyms) -> None:
        self._connection = connection
        self._partitions = partitions
        self._pseudonyms = pseudonyms
        self._documents = Versioned(connection, User)

    async def get(self, user_id: str) -> User | None:
        """The user, or None if nothing is known of him."""
        return await self._documents.get(self._key(user_id))

    async def load(self, user_ids: Sequence[str]) -> dict[str, User]:
        """These users, in one MGET; who has no profile is missing."""
        values = await self._connection.mget([self._key(user_id) for user_id in user_ids])
        return {
            user_id: self._documents.decode(stored)
            for user_id, stored in zip(user_ids, values, strict=True)
            if stored is not None
        }

    async def load_devices(self, user_ids: Sequence[str]) -> dict[str, tuple[Device, ...]]:
        """The devices of these users, tokens included, in one MGET; who has no profile is missing."""
        return {user_id: user.devices for user_id, user in (await self.load(user_ids)).items()}

    async def load_known(self, user_ids: Iterable[str]) -> Mapping[str, Known]:
        """All that is stored of these users which decisions and visits look at, in one MGET."""
        return await read_known(self._connection, self._partitions, user_ids)

    async def load_shoppers(
        self, user_ids: Sequence[str], known: Mapping[str, Known] | None = None
    ) -> dict[str, Shopper]:
        """What decisions may know of these users; of whom nothing is known is missing.

        ``known`` is what ``load_known`` read of them, which else is read here. Who was erased is there as such, which
        costs an MGET where some have no profile.
        """
        if known is None:
            known = await self.load_known(user_ids)
        shoppers = {user_id: shopper for user_id in user_ids if (shopper := known[user_id].shopper()) is not None}
        unknown = [user_id for user_id in user_ids if user_id not in shoppers]
        for user_id in await erased_at_ms(self._connection, self._partitions, self._pseudonyms, unknown):
            shoppers[user_id] = Shopper(user_id=user_id, erased=True)
        return shoppers

    async def put_user(self, user_id: str, user: User) -> User:
        """Replace all but the devices, which stay. Answers what is stored now."""
        return await self._change(
            user_id, lambda old: msgspec.structs.replace(user, devices=old.devices if old else user.devices)
        )

    async def put_device(self, user_id: str, device: Device) -> User:
        """Register a device, or register it anew; its token is taken from whoever had it."""

        def register(old: User | None) -> User:
            user = old or User()
            others = [d for d in user.devices if d.device_id != device.device_id and d.token != device.token]
            newest = sorted([*others, device], key=lambda d: d.registered_at_ms)[-MAX_DEVICES:]
            return msgspec.structs.replace(user, devices=tuple(newest))

        user = await self._change(user_id, register)
        owner_key = keys.token_owner(token_digest(device.token))
        before = await self._connection.call("GETSET", owner_key, _encode((user_id, device.device_id)))
        if before is not None:
            other_user, other_device = msgspec.msgpack.decode(before)
            if other_user != user_id:
                await self._drop(other_user, lambda d: d.device_id == other_device and d.token == device.token)
        return user

    async def delete_device(self, user_id: str, device_id: str) -> bool:
        """Forget a device; False if it was not known."""
        return await self._drop(user_id, lambda d: d.device_id == device_id)

    async def note_tokens(self, news: Sequence[TokenNews]) -> None:
        """Forget devices whose token is gone, and flag those whose token was refused: unless registered again since."""
        told: dict[str, list[TokenNews]] = {}
        for one in news:
            told.setdefault(one.user_id, []).append(one)

        def note(said: Sequence[TokenNews]) -> Callable[[User | None], User | None]:
            return lambda old: old and msgspec.structs.replace(old, devices=_after(old.devices, said))

        await self._documents.change_many({self._key(user_id): note(said) for user_id, said in told.items()})

    async def withdraw_push(self, user_id: str, at_ms: int, source: str) -> bool:
        """Note that the user wants no more pushes; False if he is not known."""
        withdrawn = ConsentFlag(granted=False, at_ms=at_ms, source=source)

        def withdraw(old: User | None) -> User | None:
            if old is None:
                return None
            return msgspec.structs.replace(old, consent=msgspec.structs.replace(old.consent, push=withdrawn))

        return await self._documents.change(self._key(user_id), withdraw) is not None

    async def delete(self, user_id: str) -> bool:
        """Erase the user: every key of his, and what waits of his in the outbox; False if there was nothing.

        What stays is a tombstone: a keyed hash of his id, and when.
        """
        return await erase(self._connection, self._partitions, self._pseudonyms, user_id, now_ms())

    async def export(self, user_id: str) -> dict[str, Any]:
        """All that is held of the user, for JSON."""
        return await export(self._connection, self._partitions, user_id)

    async def _drop(self, user_id: str, goes: Callable[[Device], bool]) -> bool:
        dropped = False

        def drop(old: User | None) -> User | None:
            nonlocal dropped
            if old is None:
                return None
            stays = tuple(d for d in old.devices if not goes(d))
            dropped = stays != old.devices
            return msgspec.structs.replace(old, devices=stays)

        await self._documents.change(self._key(user_id), drop)
        return dropped

    async def _change(self, user_id: str, change: Callable[[User | None], User]) -> User:
        return cast(User, await self._documents.change(self._key(user_id), change))

    def _key(self, user_id: str) -> str:
        return keys.profile(keys.partition_of(user_id, self._partitions), user_id)


_encode = msgspec.msgpack.Encoder().encode


def _after(devices: Sequence[Device], news: Sequence[TokenNews]) -> tuple[Device, ...]:
    """What the news leave of the devices."""
    left = list(devices)
    for one in news:
        for place, device in enumerate(left):
            if device.token != one.token:
                continue
            if one.gone_since_ms is None:
                if device.registered_at_ms == one.registered_at_ms:
                    left[place] = msgspec.structs.replace(device, refused=TokenRefusal(one.reason, one.at_ms))
            elif device.registered_at_ms <= (one.gone_since_ms or one.registered_at_ms):
                del left[place]
            break
    return tuple(left)

"""What is known of users: consent, attributes, devices; and the past that decisions look at.

One string per user, replaced by compare-and-set, so that a batch of users is read by a single MGET. A push token
belongs to one user at a time: registering it for another takes it from the first, because the phone changed hands.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.errors import Conflict
from gateway.store import keys
from gateway.store.claims import past_pushes
from gateway.store.connection import Connection
from gateway.store.scripts import COMPARE_AND_SET
from rules.model import Consent, Shopper

MAX_DEVICES: Final = 20
"""Devices per user; the one registered longest ago makes room."""
MAX_RACES: Final = 20
"""Times a lost compare-and-set is tried again before giving up."""
VERSION_BYTES: Final = 8


class ConsentFlag(msgspec.Struct, frozen=True, omit_defaults=True):
    """One consent: given or withdrawn, when, where it was asked, and which text was shown."""

    granted: bool
    at_ms: int = 0
    source: str = ""
    text_version: str = ""


class ConsentFlags(msgspec.Struct, frozen=True, omit_defaults=True):
    """The three consents a person gives apart."""

    location: ConsentFlag = ConsentFlag(False)
    push: ConsentFlag = ConsentFlag(False)
    profiling: ConsentFlag = ConsentFlag(False)


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One installation of an app. ``app`` names which one where several run side by side (APNs topic, FCM project)."""

    device_id: str
    platform: str
    token: str
    registered_at_ms: int
    app: str = ""
    app_version: str = ""


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What operations and apps told us about one user."""

    locale: str = "en"
    time_zone: str | None = None
    attributes: Mapping[str, Any] = {}
    consent: ConsentFlags = ConsentFlags()
    updated_at_ms: int = 0
    devices: tuple[Device, ...] = ()


_decode = msgspec.msgpack.Decoder(User).decode
_encode = msgspec.msgpack.Encoder().encode


class Profiles:
    """Reads and writes users."""

    def __init__(self, connection: Connection, partitions: int) -> None:
        self._connection = connection
        self._partitions = partitions

    async def get(self, user_id: str) -> User | None:
        """The user, or None if nothing is known of him."""
        return (await self._read(user_id))[1]

    async def put_user(self, user_id: str, user: User) -> User:
        """Replace all but the devices, which stay. Answers what is stored now."""
        return await self._change(user_id, lambda old: msgspec.structs.replace(user, devices=old.devices))

    async def put_device(self, user_id: str, device: Device) -> User:
        """Register a device, or register it anew; its token is taken from whoever had it."""

        def register(old: User) -> User:
            others = [d for d in old.devices if d.device_id != device.device_id and d.token != device.token]
            newest = sorted([*others, device], key=lambda d: d.registered_at_ms)[-MAX_DEVICES:]
            return msgspec.structs.replace(old, devices=tuple(newest))

        user = await self._change(user_id, register)
        owner_key = keys.token_owner(_digest(device.token))
        before = await self._connection.call("GETSET", owner_key, _encode((user_id, device.device_id)))
        if before is not None:
            other_user, other_device = msgspec.msgpack.decode(before)
            if other_user != user_id:
                await self._drop(other_user, lambda d: d.device_id == other_device and d.token == device.token)
        return user

    async def delete_device(self, user_id: str, device_id: str) -> bool:
        """Forget a device; False if it was not known."""
        return await self._drop(user_id, lambda d: d.device_id == device_id)

    async def remove_token(self, user_id: str, token: str, invalid_since_ms: int) -> bool:
        """Forget the device of a token that a provider calls gone, unless registered again after that instant.

        ``invalid_since_ms`` 0 means the provider did not say when: the token is removed whatever its age.
        """
        return await self._drop(
            user_id,
            lambda d: d.token == token and (invalid_since_ms == 0 or d.registered_at_ms <= invalid_since_ms),
        )

    async def delete(self, user_id: str) -> bool:
        """Remove every key of the user; False if there was none."""
        partition = keys.partition_of(user_id, self._partitions)
        user = await self.get(user_id)
        owned = [keys.token_owner(_digest(d.token)) for d in user.devices] if user else []
        removed, *_ = await self._connection.batch(
            [
                ("DEL", *keys.of_user(partition, user_id)),
                ("HDEL", keys.present(partition), user_id),
                ("ZREM", keys.due(partition), user_id),
                *(("DEL", key) for key in owned),
            ]
        )
        return bool(removed)

    async def load_shoppers(self, user_ids: Sequence[str]) -> dict[str, Shopper]:
        """What decisions may know of these users, in one MGET; who has no profile is missing."""
        wanted: list[str] = []
        for user_id in user_ids:
            partition = keys.partition_of(user_id, self._partitions)
            wanted += (keys.profile(partition, user_id), keys.pushes(partition, user_id))
        values = await self._connection.mget(wanted)
        shoppers = {}
        for place, user_id in enumerate(user_ids):
            stored, pushes = values[2 * place], values[2 * place + 1]
            if stored is not None:
                shoppers[user_id] = _shopper(user_id, _decode(stored[VERSION_BYTES:]), pushes)
        return shoppers

    async def load_devices(self, user_ids: Sequence[str]) -> dict[str, tuple[Device, ...]]:
        """The devices of these users, tokens included, in one MGET; who has no profile is missing."""
        values = await self._connection.mget([self._key(user_id) for user_id in user_ids])
        return {
            user_id: _decode(stored[VERSION_BYTES:]).devices
            for user_id, stored in zip(user_ids, values, strict=True)
            if stored is not None
        }

    async def _drop(self, user_id: str, goes: Callable[[Device], bool]) -> bool:
        dropped: tuple[Device, ...] = ()

        def drop(old: User) -> User:
            nonlocal dropped
            dropped = tuple(d for d in old.devices if goes(d))
            return msgspec.structs.replace(old, devices=tuple(d for d in old.devices if d not in dropped))

        if await self.get(user_id) is None:
            return False
        await self._change(user_id, drop)
        return bool(dropped)

    async def _read(self, user_id: str) -> tuple[bytes, User | None]:
        stored = await self._connection.call("GET", self._key(user_id))
        return (b"", None) if stored is None else (stored[:VERSION_BYTES], _decode(stored[VERSION_BYTES:]))

    async def _change(self, user_id: str, change: Callable[[User], User]) -> User:
        for _ in range(MAX_RACES):
            version, old = await self._read(user_id)
            new = change(old or User())
            if new == old:
                return new
            value = secrets.token_bytes(VERSION_BYTES) + _encode(new)
            if await self._connection.run(COMPARE_AND_SET, [self._key(user_id)], [version, value]):
                return new
        raise Conflict("this user is being changed by too many others at once; try again")

    def _key(self, user_id: str) -> str:
        return keys.profile(keys.partition_of(user_id, self._partitions), user_id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def _shopper(user_id: str, user: User, pushes: bytes | None) -> Shopper:
    consent = user.consent
    return Shopper(
        user_id=user_id,
        locale=user.locale,
        time_zone=user.time_zone,
        attributes=user.attributes,
        consent=Consent(consent.location.granted, consent.push.granted, consent.profiling.granted),
        platforms=frozenset(device.platform for device in user.devices),
        devices=tuple(
            {"device_id": d.device_id, "platform": d.platform, "app": d.app, "app_version": d.app_version}
            for d in user.devices
        ),
        history=past_pushes(pushes),
    )

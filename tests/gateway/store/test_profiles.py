from __future__ import annotations

import asyncio

import msgspec

from gateway.store import Store
from gateway.store.keys import partition_of
from gateway.store.profiles import ConsentFlag, ConsentFlags, Device, User
from tests.gateway.store.conftest import PARTITIONS
from tests.gateway.store.test_claims import NOW, candidate, request

AGREED = ConsentFlag(granted=True, at_ms=NOW, source="app", text_version="3")
ANN = User(locale="fi", time_zone="Europe/Helsinki", attributes={"vip": True}, consent=ConsentFlags(AGREED, AGREED))


def phone(device_id: str = "phone", token: str = "t1", at_ms: int = NOW, platform: str = "apns") -> Device:
    return Device(device_id=device_id, platform=platform, token=token, registered_at_ms=at_ms)


async def test_a_user_is_what_was_put_and_keeps_his_devices(store: Store) -> None:
    assert await store.profiles.get("ann") is None
    await store.profiles.put_device("ann", phone())
    await store.profiles.put_user("ann", ANN)
    assert await store.profiles.get("ann") == msgspec.structs.replace(ANN, devices=(phone(),))


async def test_changes_of_the_same_moment_are_all_kept(store: Store) -> None:
    await asyncio.gather(*(store.profiles.put_device("ann", phone(f"d{n}", f"t{n}", NOW + n)) for n in range(10)))
    user = await store.profiles.get("ann")
    assert user is not None
    assert [device.device_id for device in user.devices] == [f"d{n}" for n in range(10)]


async def test_a_token_registered_by_another_user_leaves_the_first(store: Store) -> None:
    await store.profiles.put_device("ann", phone())
    await store.profiles.put_device("bob", phone())
    ann, bob = await store.profiles.get("ann"), await store.profiles.get("bob")
    assert ann is not None
    assert bob is not None
    assert (ann.devices, bob.devices) == ((), (phone(),))


async def test_a_dead_token_is_removed_unless_registered_again_since(store: Store) -> None:
    await store.profiles.put_device("ann", phone(at_ms=NOW))
    assert not await store.profiles.remove_token("ann", "t1", NOW - 1)
    assert await store.profiles.remove_token("ann", "t1", NOW + 1)
    assert not await store.profiles.remove_token("ann", "t1", NOW + 1)


async def test_a_device_can_be_forgotten(store: Store) -> None:
    await store.profiles.put_device("ann", phone())
    assert await store.profiles.delete_device("ann", "phone")
    assert not await store.profiles.delete_device("ann", "phone")
    assert not await store.profiles.delete_device("nobody", "phone")
    assert await store.profiles.get("nobody") is None


async def test_shoppers_come_with_consent_devices_and_history(store: Store) -> None:
    await store.profiles.put_user("ann", ANN)
    await store.profiles.put_device("ann", phone())
    await store.claims.claim(request(candidate("p1")))
    shoppers = await store.profiles.load_shoppers(["ann", "nobody"])
    assert list(shoppers) == ["ann"]
    ann = shoppers["ann"]
    assert (ann.locale, ann.time_zone, ann.attributes) == ("fi", "Europe/Helsinki", {"vip": True})
    assert (ann.consent.location, ann.consent.push, ann.consent.profiling) == (True, True, False)
    assert ann.platforms == {"apns"}
    assert [past.push_id for past in ann.history] == ["p1"]
    assert "t1" not in str(ann.devices)


async def test_deleting_a_user_leaves_no_key_of_his(store: Store) -> None:
    await store.profiles.put_user("ann", ANN)
    await store.profiles.put_device("ann", phone())
    await store.claims.claim(request(candidate("p1")))
    assert await store.profiles.delete("ann")
    left = await store.connection.call("KEYS", "*")
    assert not [key for key in left if b"ann" in key or b":owner" in key]
    assert not await store.profiles.delete("ann")
    assert partition_of("ann", PARTITIONS) < PARTITIONS

from __future__ import annotations

import asyncio

import msgspec
from msgspec.structs import replace

from gateway.store import Store
from gateway.store.keys import partition_of
from gateway.store.profiles import ConsentFlag, ConsentFlags, Device, TokenNews, TokenRefusal, User
from tests.gateway.store.conftest import PARTITIONS
from tests.gateway.store.test_claims import NOW, candidate, request

AGREED = ConsentFlag(granted=True, at_ms=NOW, source="app", text_version="3")
ANN = User(locale="fi", time_zone="Europe/Helsinki", attributes={"vip": True}, consent=ConsentFlags(AGREED, AGREED))


def phone(device_id: str = "phone", token: str = "t1", at_ms: int = NOW, platform: str = "apns") -> Device:
    return Device(device_id=device_id, platform=platform, token=token, registered_at_ms=at_ms)


def gone(token: str, *, since_ms: int, user_id: str = "ann") -> TokenNews:
    return TokenNews(
        user_id=user_id, token=token, registered_at_ms=NOW, reason="Unregistered", at_ms=NOW, gone_since_ms=since_ms
    )


async def devices_of(store: Store, user_id: str) -> tuple[Device, ...]:
    user = await store.profiles.get(user_id)
    assert user is not None
    return user.devices


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
    await store.profiles.note_tokens([gone("t1", since_ms=NOW - 1)])
    assert await devices_of(store, "ann") == (phone(at_ms=NOW),)
    await store.profiles.note_tokens([gone("t1", since_ms=NOW + 1)])
    assert await devices_of(store, "ann") == ()
    await store.profiles.note_tokens([gone("t1", since_ms=NOW + 1), gone("t1", since_ms=0, user_id="nobody")])
    assert await store.profiles.get("nobody") is None


async def test_a_token_gone_since_nobody_knows_when_is_removed_unless_registered_since_it_was_read(
    store: Store,
) -> None:
    await store.profiles.put_device("ann", phone(at_ms=NOW + 5))
    await store.profiles.note_tokens([gone("t1", since_ms=0)])
    assert len(await devices_of(store, "ann")) == 1
    await store.profiles.note_tokens([replace(gone("t1", since_ms=0), registered_at_ms=NOW + 5)])
    assert await devices_of(store, "ann") == ()


async def test_a_refused_token_is_flagged_with_reason_and_time_until_registered_again(store: Store) -> None:
    await store.profiles.put_device("ann", phone("tablet", "t2"))
    await store.profiles.put_device("ann", phone())
    refusal = replace(gone("t1", since_ms=0), reason="BadDeviceToken", gone_since_ms=None)
    await store.profiles.note_tokens([replace(refusal, registered_at_ms=NOW - 1)])
    assert {device.refused for device in await devices_of(store, "ann")} == {None}  # registered again meanwhile
    await store.profiles.note_tokens([refusal])
    refused = {device.device_id: device.refused for device in await devices_of(store, "ann")}
    assert refused == {"tablet": None, "phone": TokenRefusal("BadDeviceToken", NOW)}
    await store.profiles.put_device("ann", phone(at_ms=NOW + 1))
    assert {device.refused for device in await devices_of(store, "ann")} == {None}


async def test_a_platform_whose_only_token_was_refused_is_none_that_offers_can_count_on(store: Store) -> None:
    await store.profiles.put_device("ann", phone())
    await store.profiles.put_device("ann", phone("tablet", "t2", platform="fcm"))
    await store.profiles.note_tokens([replace(gone("t1", since_ms=0), gone_since_ms=None)])
    assert (await store.profiles.load_shoppers(["ann"]))["ann"].platforms == {"fcm"}


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

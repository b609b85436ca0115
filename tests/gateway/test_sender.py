"""From the outbox to a provider: a real Redis, the sandbox, the real libraries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from gateway.clock import now_ms
from gateway.delivery.channel import Channel, Device, Outcome, Status
from gateway.delivery.channels import open_channels
from gateway.delivery.job import PushJob
from gateway.metrics import Metrics
from gateway.sender import ALL_REFUSED, Sender
from gateway.store import Store, profiles
from gateway.store.claims import ClaimCandidate, ClaimRequest
from gateway.store.outbox import OutboxEntry
from rules.model import Limit
from tests.gateway.delivery.arrived import Arrived, apps_at
from tests.gateway.delivery.jobs import a_job
from tests.patience import PATIENCE_S, until


@pytest.fixture
async def channels(sandbox: Arrived) -> AsyncIterator[dict[str, Channel]]:
    async with opened(sandbox, timeout_s=PATIENCE_S) as channels:
        yield channels


@contextlib.asynccontextmanager
async def opened(sandbox: Arrived, timeout_s: float) -> AsyncIterator[dict[str, Channel]]:
    apns, fcm = apps_at(sandbox.addresses)
    channels = open_channels(apns=apns, fcm=fcm, timeout_s=timeout_s)
    yield channels
    for channel in channels.values():
        await channel.close()


@contextlib.asynccontextmanager
async def sending(store: Store, channels: Mapping[str, Channel], **options: Any) -> AsyncIterator[Sender]:
    sender = Sender(store, channels, Metrics(), **({"takeover_s": 0.3, "grace_s": 2.0} | options))
    stop = asyncio.Event()
    running = asyncio.create_task(sender.run(stop))
    try:
        yield sender
    finally:
        stop.set()
        await running


async def claim(store: Store, job: PushJob) -> bool:
    """Claims the push as the ping path does: once a day for the offer, with the outbox entry."""
    limit = Limit("daily", "offer", job.offer_id, now_ms() - 86_400_000, 1)
    candidate = ClaimCandidate(
        push_id=job.push_id, offer_id=job.offer_id, geofence_id=job.geofence_id, brand="", limits=(limit,),
        entry=job.encode(),
    )  # fmt: skip
    request = ClaimRequest(user_id=job.user_id, at_ms=now_ms(), candidates=(candidate,))
    return (await store.claims.claim(request)).winner == 0


async def register(store: Store, user_id: str, *tokens: str, at_ms: int = 1) -> None:
    """Registers ``platform:token`` devices, each later than the one before."""
    for place, token in enumerate(tokens):
        platform, _, name = token.partition(":")
        device = profiles.Device(
            device_id=f"device-{place}", platform=platform, token=name, registered_at_ms=at_ms + place
        )
        await store.profiles.put_device(user_id, device)


async def emptied(store: Store) -> None:
    async def is_empty() -> bool:
        return await store.outbox.depth() == 0

    await until(is_empty)


async def prove_apns(store: Store) -> None:
    """One push that APNs accepts: from now on the sender believes what it says of tokens."""
    await register(store, "pia", "apns:proof")
    await claim(store, a_job("pia", push_id="proof"))
    await emptied(store)


async def test_a_claimed_push_reaches_the_users_newest_device_once(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "ann", "fcm:older", "apns:newer")
    job = a_job("ann")
    async with sending(store, channels):
        assert await claim(store, job)
        await emptied(store)
    (push,) = await sandbox.pushes()
    assert (push["token"], push["push_id"], push["status"]) == ("newer", job.push_id, 200)


async def test_a_dead_token_is_forgotten_and_the_next_device_gets_the_push(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "bob", "fcm:tablet", "apns:dead-phone")
    async with sending(store, channels):
        await claim(store, a_job("bob"))
        await emptied(store)

        async def is_forgotten() -> bool:
            user = await store.profiles.get("bob")
            return user is not None and [device.token for device in user.devices] == ["tablet"]

        await until(is_forgotten)
    assert [(push["token"], push["status"]) for push in await sandbox.pushes()] == [
        ("dead-phone", 410),
        ("tablet", 200),
    ]


async def test_a_token_the_provider_refuses_is_flagged_and_not_tried_again_until_registered_anew(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "eva", "fcm:tablet", "apns:malformed-phone")
    async with sending(store, channels):
        await prove_apns(store)
        await claim(store, a_job("eva"))
        await emptied(store)

        async def is_flagged() -> bool:
            user = await store.profiles.get("eva")
            return user is not None and [d.refused.reason if d.refused else "" for d in user.devices] == [
                "",
                "BadDeviceToken",
            ]

        await until(is_flagged)
        await claim(store, a_job("eva", push_id="second", offer_id="another"))
        await emptied(store)
        await register(store, "eva", "fcm:tablet", "apns:malformed-phone", at_ms=now_ms())
        await claim(store, a_job("eva", push_id="third", offer_id="one more"))
        await emptied(store)
    assert [push["token"] for push in await sandbox.pushes()] == [
        "proof", "malformed-phone", "tablet", "tablet", "malformed-phone", "tablet",
    ]  # fmt: skip


async def test_no_device_is_flagged_while_it_may_be_our_settings_that_are_wrong(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    """A wrong topic makes every token look wrong; until one push was accepted, no refusal is held against a device."""
    await register(store, "gus", "apns:malformed-phone")
    async with sending(store, channels):
        for number in range(2):
            await claim(store, a_job("gus", push_id=f"push-{number}", offer_id=f"offer-{number}"))
            await emptied(store)
    user = await store.profiles.get("gus")
    assert user is not None
    assert user.devices[0].refused is None
    assert len(await sandbox.pushes()) == 2


async def test_a_push_to_flagged_devices_alone_is_given_up_and_says_why(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "fay", "apns:malformed-phone")
    async with sending(store, channels):
        await prove_apns(store)
        await claim(store, a_job("fay"))
        await emptied(store)

        async def is_flagged() -> bool:
            user = await store.profiles.get("fay")
            return user is not None and user.devices[0].refused is not None

        await until(is_flagged)
        await claim(store, a_job("fay", push_id="second", offer_id="another"))
        await emptied(store)
    reasons = {letter.reason for letter in (await store.dead_letters.read())[0]}
    assert reasons == {"terminal: apns BadDeviceToken", f"terminal: no_device ({ALL_REFUSED})"}
    assert len(await sandbox.pushes()) == 2


async def test_a_token_registered_again_after_the_provider_called_it_gone_is_kept(
    store: Store, channels: dict[str, Channel]
) -> None:
    await register(store, "cid", "apns:dead-phone", at_ms=now_ms() + 60_000)
    async with sending(store, channels):
        await claim(store, a_job("cid"))
        await emptied(store)
    user = await store.profiles.get("cid")
    assert user is not None
    assert len(user.devices) == 1


async def test_a_push_that_nobody_can_get_gives_its_cooldown_back(store: Store, channels: dict[str, Channel]) -> None:
    await register(store, "dan", "apns:dead-phone")
    async with sending(store, channels):
        assert await claim(store, a_job("dan"))
        await emptied(store)
        (letter,) = (await store.dead_letters.read())[0]
        assert letter.reason == "terminal: apns Unregistered"
    assert await claim(store, a_job("dan", push_id="another"))


async def test_a_push_that_may_have_arrived_is_tried_again_with_the_claim_it_kept(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "lea", "apns:phone")
    job = a_job("lea")
    await claim(store, job)
    await store.dead_letters.bury([(entry, "expired") for entry in await store.outbox.read("test", 1, 0)])
    (letter,) = (await store.dead_letters.read())[0]
    assert await store.dead_letters.put_back([letter.letter_id]) == 1
    async with sending(store, channels):
        await emptied(store)
    assert [push["push_id"] for push in await sandbox.pushes()] == [job.push_id]


async def test_a_push_whose_devices_come_late_is_begun_once(
    store: Store, channels: dict[str, Channel], sandbox: Arrived, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile its sender looks for what dead ones left, and is given it a second time."""
    await register(store, "kai", "apns:phone")
    await claim(store, a_job("kai"))
    load, take_over = store.profiles.load_devices, store.outbox.take_over
    given, loads = asyncio.Event(), 0

    async def load_late(users: Sequence[str]) -> dict[str, Sequence[profiles.Device]]:
        nonlocal loads
        loads += 1
        if loads == 1:
            await given.wait()
        return await load(users)

    async def take_over_at_once(consumer: str, min_idle_ms: int) -> list[OutboxEntry]:
        entries = await take_over(consumer, 0)
        if loads and entries:
            asyncio.get_running_loop().call_later(0.2, given.set)
        return entries

    monkeypatch.setattr(store.profiles, "load_devices", load_late)
    monkeypatch.setattr(store.outbox, "take_over", take_over_at_once)
    async with sending(store, channels):
        await given.wait()
        await emptied(store)
    assert len(await sandbox.pushes()) == 1


async def test_a_push_that_may_have_arrived_keeps_its_cooldown(store: Store, sandbox: Arrived) -> None:
    """A request that was sent and never answered is not refunded: no second push is better than one too many."""
    await register(store, "mia", "apns:stuck-phone")
    async with opened(sandbox, timeout_s=5.0) as hasty, sending(store, hasty):
        await claim(store, a_job("mia", expires_at_ms=now_ms() + 5000))
        await emptied(store)
    assert not await claim(store, a_job("mia", push_id="another"))
    (letter,) = (await store.dead_letters.read())[0]
    assert letter.reason.startswith("expired: apns timeout")


async def test_an_entry_that_cannot_be_read_is_given_up_and_holds_up_nothing(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "noa", "apns:phone")
    async with sending(store, channels):
        for entry in (b"", b"{", b"\xff", b"[]", b'{"push_id": 1}'):
            candidate = ClaimCandidate(
                push_id=entry.hex(), offer_id="o", geofence_id="g", brand="", limits=(), entry=entry
            )
            await store.claims.claim(ClaimRequest(user_id="noa", at_ms=now_ms(), candidates=(candidate,)))
        await claim(store, a_job("noa"))
        await emptied(store)
    assert len(await sandbox.pushes()) == 1
    assert [letter.reason for letter in (await store.dead_letters.read())[0]] == ["unreadable"] * 5


async def test_a_push_whose_time_has_passed_is_not_sent_and_gives_its_cooldown_back(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "eva", "apns:phone")
    assert await claim(store, a_job("eva", expires_at_ms=now_ms() - 1))
    async with sending(store, channels):
        await emptied(store)
    assert await claim(store, a_job("eva", push_id="another"))
    async with sending(store, channels):
        await emptied(store)
    assert [push["push_id"] for push in await sandbox.pushes()] == ["another"]


async def test_a_passing_failure_is_tried_again_on_the_same_device(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "fay", "apns:once-sender-test")
    async with sending(store, channels):
        await claim(store, a_job("fay"))
        await emptied(store)
    assert [push["status"] for push in await sandbox.pushes()] == [503, 200]


class Dying:
    """A channel whose sender dies in mid-air: it takes the push and never comes back."""

    name = "apns"

    def __init__(self) -> None:
        self.taken = asyncio.Event()

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        self.taken.set()
        await asyncio.Event().wait()
        return Outcome(status=Status.RETRY, provider=self.name)

    async def close(self) -> None: ...


async def test_what_a_dead_sender_held_is_taken_over_and_sent(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "gus", "apns:phone")
    dying = Dying()
    async with sending(store, {"apns": dying}, grace_s=0.0):
        await claim(store, a_job("gus"))
        await dying.taken.wait()
    assert await store.outbox.depth() == 1
    async with sending(store, channels):
        await emptied(store)
    assert len(await sandbox.pushes()) == 1


class Broken(Dying):
    """A channel with a bug."""

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        raise TypeError("a bug")


async def test_a_push_that_no_code_can_handle_is_given_up_and_holds_up_nothing(store: Store) -> None:
    await register(store, "oda", "apns:phone")
    async with sending(store, {"apns": Broken()}):
        await claim(store, a_job("oda"))
        await emptied(store)
    (letter,) = (await store.dead_letters.read())[0]
    assert letter.reason == "internal: TypeError"


async def test_what_a_living_sender_holds_is_not_taken_over(store: Store) -> None:
    await register(store, "hal", "apns:phone")
    first, second = Dying(), Dying()
    async with sending(store, {"apns": first}, grace_s=0.0):
        await claim(store, a_job("hal"))
        await first.taken.wait()
        async with sending(store, {"apns": second}, grace_s=0.0, takeover_s=3.0):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(second.taken.wait(), 4.5)


async def test_one_providers_outage_does_not_hold_up_the_other(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    for n in range(50):
        await register(store, f"down-{n}", f"fcm:stuck-{n}")
    await register(store, "ida", "apns:phone")
    async with sending(store, channels, sends_in_flight=5):
        for n in range(50):
            await claim(store, a_job(f"down-{n}"))
        await claim(store, a_job("ida"))

        async def has_arrived() -> bool:
            return any(push["token"] == "phone" for push in await sandbox.pushes())

        await until(has_arrived)
    assert await store.outbox.depth() == 50


async def test_stopping_finishes_what_is_in_flight_and_leaves_what_waits(
    store: Store, channels: dict[str, Channel], sandbox: Arrived
) -> None:
    await register(store, "jan", "apns:down-phone")
    async with sending(store, channels):
        await claim(store, a_job("jan"))

        async def was_tried() -> bool:
            return bool(await sandbox.pushes())

        await until(was_tried)
    assert await store.outbox.depth() == 1


async def test_a_delivery_is_told_to_whoever_watches_without_naming_the_user(
    store: Store, channels: dict[str, Channel]
) -> None:
    await register(store, "kim", "fcm:phone")
    async with sending(store, channels), store.activity.subscribe() as feed:
        await claim(store, a_job("kim"))
        async with asyncio.timeout(PATIENCE_S):
            while not (events := await feed.wait(1.0)):
                continue
    (event,) = events
    assert (event["type"], event["provider"], event["status"]) == ("delivery", "fcm", "accepted")
    assert "kim" not in str(event)
    assert event["ping_to_accepted_ms"] >= 0

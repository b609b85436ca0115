"""One push to one user: which device, which channel, when again, and when to give up."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from gateway.clock import now_ms
from gateway.delivery.channel import Device, Outcome, Status
from gateway.delivery.courier import MAX_STRIKES, SUSPECT_AFTER, Courier
from gateway.delivery.job import PushJob
from gateway.delivery.lane import LaneLimits
from gateway.delivery.waiting import Backoff
from gateway.metrics import Metrics
from tests.gateway.delivery.jobs import a_device, a_job
from tests.patience import PATIENCE_S, until

AT_ONCE = Backoff(first_s=0.0, cap_s=0.0)

ACCEPTED = Outcome(status=Status.ACCEPTED, provider="apns")
REFUSED = Outcome(status=Status.TERMINAL, provider="apns", code="BadDeviceToken")
LATER = Outcome(status=Status.RETRY, provider="apns", code="ServiceUnavailable")
STALE = Outcome(status=Status.REAUTHENTICATE, provider="apns", code="ExpiredProviderToken")


class Scripted:
    """A channel that answers each token with its script, the last line for ever."""

    def __init__(self, name: str = "apns", **scripts: list[Outcome]) -> None:
        self.name = name
        self.sent: list[str] = []
        self.alone: list[bool] = []
        self._scripts = scripts

    async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
        await asyncio.sleep(0)
        self.alone.append(alone)
        self.sent.append(device.token)
        script = self._scripts[device.token]
        return script.pop(0) if len(script) > 1 else script[0]

    async def close(self) -> None:
        return


def courier(*channels: Scripted, limits: LaneLimits | None = None) -> Courier:
    each = {channel.name: limits or LaneLimits() for channel in channels}
    return Courier({channel.name: channel for channel in channels}, Metrics(), limits=each, backoff=AT_ONCE)


async def test_it_goes_to_one_device_and_no_other() -> None:
    channel = Scripted(old=[ACCEPTED], new=[ACCEPTED])
    devices = [
        Device(device_id="1", platform="apns", token="old", registered_at_ms=1),
        Device(device_id="2", platform="apns", token="new", registered_at_ms=2),
    ]
    delivery = await courier(channel).deliver(a_job(), devices, asyncio.Event())
    assert delivery.outcome.status is Status.ACCEPTED
    assert channel.sent == ["new"]


async def test_the_next_device_is_tried_only_after_a_refusal_for_good() -> None:
    channel = Scripted(new=[LATER, LATER, REFUSED], old=[ACCEPTED])
    devices = [
        Device(device_id="1", platform="apns", token="old", registered_at_ms=1),
        Device(device_id="2", platform="apns", token="new", registered_at_ms=2),
    ]
    delivery = await courier(channel).deliver(a_job(), devices, asyncio.Event())
    assert delivery.outcome.status is Status.ACCEPTED
    assert channel.sent == ["new", "new", "new", "old"]
    assert [attempt.outcome.status for attempt in delivery.attempts] == ["retry", "retry", "terminal", "accepted"]


async def test_channels_are_tried_in_the_order_of_the_offer() -> None:
    push, hook = Scripted(phone=[REFUSED]), Scripted("webhook", **{"": [ACCEPTED]})
    job = a_job(channels=("push", "webhook"))
    delivery = await courier(push, hook).deliver(job, [a_device("apns", "phone")], asyncio.Event())
    assert (delivery.outcome.status, push.sent, hook.sent) == (Status.ACCEPTED, ["phone"], [""])


async def test_a_user_without_a_device_is_a_refusal_with_its_reason() -> None:
    delivery = await courier(Scripted()).deliver(a_job(), [], asyncio.Event())
    assert (delivery.outcome.status, delivery.outcome.code) == (Status.TERMINAL, "no_device")


async def test_a_stale_credential_costs_no_wait() -> None:
    channel = Scripted(phone=[STALE, ACCEPTED])
    slow = Courier({"apns": channel}, Metrics(), backoff=Backoff(first_s=3600.0, cap_s=3600.0))
    delivery = await asyncio.wait_for(slow.deliver(a_job(), [a_device("apns", "phone")], asyncio.Event()), PATIENCE_S)
    assert delivery.outcome.status is Status.ACCEPTED


async def test_a_push_is_never_tried_after_it_expired() -> None:
    channel = Scripted(phone=[LATER])
    job = a_job(expires_at_ms=now_ms() - 1)
    delivery = await courier(channel).deliver(job, [a_device("apns", "phone")], asyncio.Event())
    assert (delivery.outcome.status, channel.sent) == (Status.EXPIRED, [])


async def test_a_push_whose_next_attempt_would_come_too_late_ends_now() -> None:
    wait_an_hour = Outcome(status=Status.RETRY, provider="apns", code="TooManyRequests", retry_after_s=3600.0)
    delivery = await courier(Scripted(phone=[wait_an_hour])).deliver(
        a_job(), [a_device("apns", "phone")], asyncio.Event()
    )
    assert (delivery.outcome.status, delivery.outcome.code) == (Status.EXPIRED, "TooManyRequests")


async def test_a_push_that_breaks_connections_gets_its_own_and_is_given_up_when_those_break_too() -> None:
    """What breaks its connection each time is itself the poison: it may not take others down with it for an hour."""
    broken = Outcome(status=Status.RETRY, provider="apns", code="reset", broke_connection=True)
    channel = Scripted(poison=[broken], fine=[ACCEPTED])
    bringing, stop = courier(channel), asyncio.Event()

    async def others() -> None:
        while True:
            await bringing.deliver(a_job(), [a_device("apns", "fine")], stop)

    background = asyncio.create_task(others())
    delivery = await bringing.deliver(a_job(), [a_device("apns", "poison")], stop)
    background.cancel()
    assert delivery.outcome.status is Status.TERMINAL
    assert "given up" in delivery.outcome.detail
    alone = [alone for token, alone in zip(channel.sent, channel.alone, strict=True) if token == "poison"]
    assert alone == [False] * SUSPECT_AFTER + [True] * MAX_STRIKES


async def test_while_a_provider_is_down_pushes_wait_without_attempts_and_go_out_when_it_is_back() -> None:
    channel = Scripted(phone=[LATER] * 3 + [ACCEPTED])
    limits = LaneLimits(failures_to_open=1, open_s=0.01)
    delivery = await courier(channel, limits=limits).deliver(a_job(), [a_device("apns", "phone")], asyncio.Event())
    assert delivery.outcome.status is Status.ACCEPTED
    assert len(channel.sent) == len(delivery.attempts) == 4


async def test_a_push_that_expires_while_its_provider_is_down_says_what_the_provider_said_last() -> None:
    """Not that it waited; and waiting is no attempt, for metrics neither."""
    channel = Scripted(phone=[LATER])
    bringing = courier(channel, limits=LaneLimits(failures_to_open=2, open_s=3600.0))
    phone, stop = [a_device("apns", "phone")], asyncio.Event()
    delivery = await bringing.deliver(a_job(expires_at_ms=now_ms() + 30_000), phone, stop)
    assert delivery.reason == "expired: apns ServiceUnavailable"
    never = await bringing.deliver(a_job(expires_at_ms=now_ms() + 30_000), phone, stop)
    assert never.reason == "expired: apns breaker_open"
    assert len(channel.sent) == len(delivery.attempts) + len(never.attempts)
    labels = {"channel": "apns", "status": "retry"}
    assert bringing._metrics.registry.get_sample_value("geopush_deliveries_total", labels) == len(channel.sent)


async def test_that_a_provider_went_down_and_came_back_is_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "geopush.delivery")
    channel = Scripted(phone=[LATER] * 4 + [ACCEPTED])
    limits = LaneLimits(failures_to_open=2, open_s=0.01)
    await courier(channel, limits=limits).deliver(a_job(), [a_device("apns", "phone")], asyncio.Event())
    assert [(record.getMessage(), record.__dict__["facts"]) for record in caplog.records] == [
        ("a provider is held to be down, its pushes wait", {"channel": "apns", "code": "ServiceUnavailable"}),
        ("a provider answers again", {"channel": "apns"}),
    ]


async def test_more_than_a_lane_may_hold_is_left_in_the_outbox_while_its_provider_is_down() -> None:
    channel = Scripted(phone=[LATER])
    limits = LaneLimits(failures_to_open=1, open_s=3600.0, held=10)
    bringing, stop = courier(channel, limits=limits), asyncio.Event()
    phone = [a_device("apns", "phone")]
    waiting = [asyncio.create_task(bringing.deliver(a_job(expires_at_ms=2**53), phone, stop)) for _ in range(15)]
    await until(lambda: sum(task.done() for task in waiting) >= 5)
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result().outcome.code for task in done} == {"lane_full"}
    assert len(pending) < 10 + 1
    assert not bringing.is_saturated
    bringing.measure()
    assert bringing._metrics.registry.get_sample_value("geopush_breaker_open", {"channel": "apns"}) == 1
    assert bringing._metrics.registry.get_sample_value("geopush_lane_held", {"channel": "apns"}) == len(pending)
    stop.set()
    await asyncio.gather(*pending)


async def test_no_more_than_so_many_are_in_flight() -> None:
    in_flight, most = 0, 0

    class Counting(Scripted):
        async def send(self, job: PushJob, device: Device, *, alone: bool = False) -> Outcome:
            nonlocal in_flight, most
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0.001)
            in_flight -= 1
            return ACCEPTED

    bringing = courier(Counting(), limits=LaneLimits(in_flight=7))
    phone = [a_device("apns", "phone")]
    await asyncio.gather(*(bringing.deliver(a_job(), phone, asyncio.Event()) for _ in range(100)))
    assert most == 7


async def test_a_lane_keeps_its_providers_quota() -> None:
    channel = Scripted(phone=[ACCEPTED])
    bringing = courier(channel, limits=LaneLimits(per_s=100.0, burst=10))
    started = asyncio.get_running_loop().time()
    phone = [a_device("apns", "phone")]
    await asyncio.gather(*(bringing.deliver(a_job(), phone, asyncio.Event()) for _ in range(30)))
    assert asyncio.get_running_loop().time() - started >= 0.19


async def test_a_device_of_another_app_goes_over_that_apps_lane() -> None:
    first, second = Scripted(phone=[ACCEPTED]), Scripted(phone=[ACCEPTED])
    bringing = Courier({"apns": first, "apns:kiosk": second}, Metrics())
    for app, lane in (("kiosk", second), ("", first), ("unknown", first)):
        device = Device(device_id="1", platform="apns", token="phone", app=app)
        before = len(lane.sent)
        await bringing.deliver(a_job(), [device], asyncio.Event())
        assert len(lane.sent) == before + 1


async def test_a_provider_that_is_down_is_passed_over_while_another_way_is_open_and_probed_when_it_is_time() -> None:
    down, up = Scripted(phone=[LATER]), Scripted("fcm", tablet=[ACCEPTED])
    limits = LaneLimits(failures_to_open=1, open_s=3600.0)
    bringing, stop = courier(down, up, limits=limits), asyncio.Event()
    phone, tablet = replace(a_device("apns", "phone"), registered_at_ms=2), a_device("fcm", "tablet")
    waiting = [asyncio.create_task(bringing.deliver(a_job(expires_at_ms=2**53), [phone], stop))]
    await until(lambda: down.sent == ["phone"])
    assert (await bringing.deliver(a_job(), [phone, tablet], stop)).outcome.status is Status.ACCEPTED
    assert (up.sent, down.sent) == (["tablet"], ["phone"])
    bringing._lanes["apns"]._breaker._closed_at_s = 0.0
    waiting += [asyncio.create_task(bringing.deliver(a_job(expires_at_ms=2**53), [phone, tablet], stop))]
    await until(lambda: down.sent == ["phone"] * 2)
    stop.set()
    await asyncio.gather(*waiting)

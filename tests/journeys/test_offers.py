"""What marketers can ask for, end to end: later, limited, coded, counted, held out, and looked up afterwards."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from gateway.clock import now_ms
from tests.journeys.conftest import INSIDE, OUTSIDE, Journey, offer, open_shop, welcome
from tests.journeys.test_first_push import ping


async def enter(journey: Journey, user_id: str) -> None:
    """One sure fix inside the store."""
    await journey.call("POST", "/v1/pings", ping(user_id, now_ms()))


async def test_a_review_request_follows_the_exit_after_its_delay(journey: Journey) -> None:
    """An offer with a delay is decided again when its time has come, not when the shopper left."""
    await open_shop(journey, trigger={"type": "exit", "delay_s": 12})
    await welcome(journey, "ida")
    start = now_ms() - 40_000
    for second, point in enumerate([INSIDE, OUTSIDE, OUTSIDE]):
        await journey.call("POST", "/v1/pings", ping("ida", start + 15_000 * second, point))
    (push,) = await journey.pushes(1)
    assert push["at_ms"] >= start + 15_000 + 12_000


async def test_stock_is_never_oversold(journey: Journey) -> None:
    """Of ten shoppers who enter at once, three get the three that are there, and the others' refusals say stock."""
    await open_shop(journey, stock=3)
    users = [f"user-{n}" for n in range(10)]
    await asyncio.gather(*(welcome(journey, user, token=f"{n:064x}") for n, user in enumerate(users)))
    await asyncio.gather(*(enter(journey, user) for user in users))
    await journey.pushes(3)
    await asyncio.sleep(0.5)
    assert len((await journey.sandbox.pushes())["pushes"]) == 3
    metrics = await _text(journey, "/metrics")
    assert 'geopush_claims_total{result="claimed"} 3.0' in metrics
    assert 'geopush_refusals_total{gate="claim"} 7.0' in metrics


async def test_a_held_out_shopper_never_reaches_a_provider(journey: Journey) -> None:
    """Nine in ten are held out: what they would have got is withheld, and counted as a ghost."""
    await open_shop(journey, experiment={"holdout_ratio": 0.9, "salt": "x"})
    users = [f"user-{n}" for n in range(20)]
    await asyncio.gather(*(welcome(journey, user, token=f"{n:064x}") for n, user in enumerate(users)))
    await asyncio.gather(*(enter(journey, user) for user in users))
    metrics = await _text(journey, "/metrics")
    (held_out,) = map(int, re.findall(r'^geopush_refusals_total{gate="experiment"} (\d+)\.0$', metrics, re.MULTILINE))
    assert 10 < held_out < 20
    await journey.pushes(20 - held_out)
    await asyncio.sleep(0.5)
    assert len((await journey.sandbox.pushes())["pushes"]) == 20 - held_out


async def test_the_runner_up_is_tried_when_the_winner_is_refused(journey: Journey) -> None:
    """The better offer has no stock left: the shopper gets the other one."""
    await open_shop(journey, stock=0, priority=10)
    second = offer(id="tea", name="Tea", messages={"en": {"title": "Tea instead", "body": "Come in for a cup of tea."}})
    await journey.call("PUT", "/v1/offers/tea", second)
    await welcome(journey, "jo")
    await enter(journey, "jo")
    assert "Tea instead" in str(await journey.pushes(1))


async def _text(journey: Journey, path: str) -> str:
    async with journey.session.get(journey.url + path) as response:
        return await response.text()


async def test_what_a_shopper_did_a_second_ago_decides_the_next_ping(journey: Journey) -> None:
    """Who looked at shoes and then walks in gets the offer for people who looked at shoes; others do not."""
    await open_shop(journey, audience='"viewed:shoes" in events && events["viewed:shoes"].count_7d >= 1')
    await welcome(journey, "kim")
    await welcome(journey, "liam", token="cd" * 32)
    answer = await journey.call("POST", "/v1/events", [{"user_id": "kim", "name": "viewed:shoes", "id": "e1"}] * 2)
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    await enter(journey, "liam")
    await enter(journey, "kim")
    await journey.pushes(1)
    decisions = (await journey.call("GET", "/v1/users/liam/decisions"))["items"]
    assert [c["refused_by"] for c in decisions[0]["candidates"]] == ["audience"]


async def test_a_push_can_be_looked_up_and_its_outcomes_fill_the_funnel(journey: Journey) -> None:
    """The push id leads to its decision; opened and converted count once each, and a stranger's push not at all."""
    await open_shop(journey)
    users = [f"user-{n:02}" for n in range(12)]
    for number, user in enumerate(users):
        await welcome(journey, user, token=f"{number:064x}")
        await enter(journey, user)
    await journey.pushes(12)
    pushed = [(await journey.call("GET", f"/v1/users/{user}/decisions"))["items"][0]["push_ids"][0] for user in users]
    decision = await journey.call("GET", f"/v1/pushes/{pushed[0]}/decision")
    assert decision["candidates"][0]["offer_id"] == "coffee"
    assert all(verdict["passed"] for verdict in decision["candidates"][0]["verdicts"])
    told = [
        {"user_id": users[0], "name": "opened", "push_id": pushed[0]},
        {"user_id": users[0], "name": "opened", "push_id": pushed[0]},
        {"user_id": users[0], "name": "converted", "push_id": pushed[0], "value": 12.5},
        {"user_id": users[1], "name": "opened", "push_id": pushed[0]},
        {"user_id": users[1], "name": "opened"},
        {"user_id": users[2], "name": "opted_out", "push_id": pushed[2]},
    ]
    answer = await journey.call("POST", "/v1/events", told)
    assert (answer["accepted"], answer["duplicates"]) == (3, 1)
    assert [(r["index"], r["code"]) for r in answer["rejected"]] == [(3, "unknown_push"), (4, "missing_field")]
    assert (await journey.call("GET", f"/v1/users/{users[2]}"))["consent"]["push"]["granted"] is False

    async def total() -> dict[str, float]:
        report = await journey.call("GET", "/v1/reports/offers/coffee?by=variant")
        return dict(report["total"])

    def is_complete(funnel: dict[str, float]) -> bool:
        return funnel.get("delivered") == 12 and funnel.get("opened") == 1

    funnel = await journey.eventually(total, is_complete)
    assert (funnel["matched"], funnel["claimed"], funnel["converted"], funnel["revenue"]) == (12, 12, 1, 12.5)


async def test_lift_compares_what_was_bought_after_pushes_and_without_them(journey: Journey) -> None:
    """Half are held out. Everybody who got the push buys, twice, and nobody else: all of the lift, and its revenue."""
    await open_shop(journey, experiment={"holdout_ratio": 0.5, "salt": "x"})
    users = [f"user-{n}" for n in range(40)]
    for number, user in enumerate(users):
        await welcome(journey, user, token=f"{number:064x}")
        await enter(journey, user)
    decided = [(await journey.call("GET", f"/v1/users/{user}/decisions"))["items"][0] for user in users]
    pushed = [user for user, decision in zip(users, decided, strict=True) if decision["push_ids"]]
    bought = [{"user_id": user, "name": "purchase", "value": 10, "id": f"till-{n}"} for user in pushed for n in "122"]
    answer = await journey.call("POST", "/v1/events", bought)
    assert (answer["accepted"], answer["duplicates"]) == (2 * len(pushed), len(pushed))

    async def report() -> dict[str, Any]:
        return dict(await journey.call("GET", "/v1/reports/offers/coffee?by=variant"))

    told = await journey.eventually(report, lambda told: told["total"].get("spent", 0) == 20 * len(pushed))
    assert told["total"]["held_out"] == len(users) - len(pushed)
    assert told["total"]["purchased"] == len(pushed)
    assert told["conclusions"]["lift"]["estimate"] == 1.0
    assert told["conclusions"]["added_revenue"] == 20 * len(pushed)


async def test_the_next_step_waits_for_the_last_one_to_be_opened(journey: Journey) -> None:
    """Drip marketing: an outcome is behaviour that the audience of another offer reads."""
    await open_shop(journey)
    second = offer(
        id="step-2",
        cooldowns={"min_gap_s": 0, "user_store_s": 0},
        audience="events['opened:coffee'].count >= 1",
        messages={"en": {"title": "The second cup", "body": "Come in again: the second cup is on us."}},
    )
    await journey.call("PUT", "/v1/offers/step-2", second)
    await welcome(journey, "nia")
    await enter(journey, "nia")
    await journey.pushes(1)
    pushed = (await journey.call("GET", "/v1/users/nia/decisions"))["items"][0]["push_ids"][0]
    walk = {"user_id": "nia", "pings": [{"ts": now_ms(), "lat": INSIDE[0], "lon": INSIDE[1], "accuracy": 8}]}
    before = await journey.call("POST", "/v1/explain", walk)
    await journey.call("POST", "/v1/events", {"user_id": "nia", "name": "opened", "push_id": pushed})
    after = await journey.call("POST", "/v1/explain", walk)
    assert [moment.get("pushes", []) for told in (before, after) for moment in told["moments"]] == [[], ["step-2"]]


async def test_unique_codes_are_in_the_text_and_never_twice(journey: Journey) -> None:
    """Each push carries a code of its own; when the pool is dry the next shopper is refused for it."""
    texts = {"en": {"title": "A code for you", "body": "Show {{ offer.code }} at the till."}}
    await open_shop(journey, code_pool="spring", messages=texts)
    await journey.call("POST", "/v1/codes/spring", {"codes": ["VESNA-1", "VESNA-2"]})
    users = [f"user-{n}" for n in range(3)]
    for number, user in enumerate(users):
        await welcome(journey, user, token=f"{number:064x}")
        await enter(journey, user)
    bodies = sorted(push["body"] for push in await journey.pushes(2))
    assert bodies == ["Show VESNA-1 at the till.", "Show VESNA-2 at the till."]
    decisions = (await journey.call("GET", f"/v1/users/{users[2]}/decisions"))["items"]
    assert decisions[0]["candidates"][0]["verdicts"][-1]["rule"] == "codes"


async def test_an_offer_made_again_under_its_old_id_starts_anew(journey: Journey) -> None:
    """Deleting an offer forgets what was counted of its stock."""
    await open_shop(journey, stock=1)
    for number, user in enumerate(["mia", "noa"]):
        await welcome(journey, user, token=f"{number:064x}")
    await enter(journey, "mia")
    await journey.pushes(1)
    await journey.call("DELETE", "/v1/offers/coffee")
    await journey.call("PUT", "/v1/offers/coffee", offer(stock=1))
    await enter(journey, "noa")
    await journey.pushes(2)

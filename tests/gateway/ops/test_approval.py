"""Two people for what reaches many: submitted, approved or rejected by another key, and paused by one alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gateway.settings import Settings
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import OFFER, circle


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A fresh gateway knows no traffic, so that every offer may reach too many."""
    return dataclasses.replace(settings, approval_reach=1_000)


class People:
    """A marketer, an approver, and what they do to one offer."""

    def __init__(self, http: Http, ann: str, bob: str) -> None:
        self.http, self.ann, self.bob = http, ann, bob

    async def save(self, **changes: Any) -> dict[str, Any]:
        status, stored = await self.http.call("PUT", "/v1/offers/o1", OFFER | changes, key=self.ann)
        assert status == 200, stored
        answer: dict[str, Any] = stored
        return answer

    async def decide(self, what: str, version: int, key: str = "", **facts: Any) -> tuple[int, Any]:
        return await self.http.call("POST", f"/v1/offers/o1/{what}", {"version": version, **facts}, key=key or self.bob)

    @property
    def is_live(self) -> bool:
        offer = self.http.gateway.context.catalog.current.rulebook.get("o1")
        return offer is not None and offer.is_live


@pytest.fixture
async def people(http: Http) -> People:
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.94, 60.17))
    return People(http, await http.new_key(role="marketer"), await http.new_key(role="approver"))


async def test_what_reaches_too_many_waits_for_a_second_person_and_then_is_live(people: People) -> None:
    stored = await people.save()
    assert (stored["status"], stored["warnings"][0]["rule"], people.is_live) == ("submitted", "needs_approval", False)
    status, approved = await people.decide("approve", stored["version"])
    assert (status, approved["status"], people.is_live) == (200, "active", True)
    _, shown = await people.http.call("GET", "/v1/offers/o1", key=people.bob)
    assert (shown["status"], shown["review"]["verdict"]) == ("active", "approved")
    assert shown["version"] == approved["version"]


async def test_nobody_approves_his_own_not_even_an_admin_or_under_a_new_secret(people: People) -> None:
    http = people.http
    _, admin = await http.call("POST", "/v1/keys", {"name": "root", "role": "admin"})
    _, stored = await http.call("PUT", "/v1/offers/o1", OFFER, key=admin["secret"])
    _, rotated = await http.call("POST", f"/v1/keys/{admin['key_id']}/rotate", {"overlap_s": 60})
    for key in (admin["secret"], rotated["secret"]):
        status, problem = await people.decide("approve", stored["version"], key)
        assert (status, problem["detail"]) == (403, "you submitted this offer; someone else has to decide on it")
    assert (await people.decide("approve", stored["version"]))[0] == 200


async def test_a_marketer_does_not_approve_and_an_approver_does_not_write(people: People) -> None:
    stored = await people.save()
    status, problem = await people.decide("approve", stored["version"], people.ann)
    assert (status, problem["permission"], problem["roles"]) == (403, "offers:approve", ["approver", "admin"])
    assert (await people.http.call("PUT", "/v1/offers/o1", OFFER, key=people.bob))[0] == 403


async def test_an_approval_is_of_the_version_that_was_looked_at(people: People) -> None:
    """An edit between the look and the word makes the word void."""
    first = await people.save()
    second = await people.save(name="Stew")
    status, problem = await people.decide("approve", first["version"])
    assert (status, problem["code"], people.is_live) == (412, "precondition_failed", False)
    assert (await people.decide("approve", second["version"]))[0] == 200


async def test_an_edit_of_what_is_live_is_not_until_it_is_approved_anew(people: People) -> None:
    await people.decide("approve", (await people.save())["version"])
    edited = await people.save(messages={"en": {"title": "Soup", "body": "All soup is free."}})
    assert (edited["status"], people.is_live) == ("submitted", False)
    await people.decide("approve", edited["version"])
    assert people.is_live


async def test_pausing_is_at_once_and_going_on_with_the_same_needs_nobody(people: People) -> None:
    await people.decide("approve", (await people.save())["version"])
    http, pause = people.http, "/v1/offers/o1/pause"
    assert (await http.call("POST", pause, key=people.ann))[1]["status"] == "paused"
    assert not people.is_live
    assert (await http.call("POST", pause, key=people.bob))[1]["status"] == "paused"
    assert (await people.save())["status"] == "active"
    status, stored = await http.call("PATCH", "/v1/offers/o1", {"status": "paused"}, key=people.ann)
    assert (status, stored["status"]) == (200, "paused")


async def test_a_rejection_brings_the_offer_back_with_its_reason(people: People) -> None:
    stored = await people.save()
    assert (await people.decide("reject", stored["version"]))[0] == 422
    status, rejected = await people.decide("reject", stored["version"], reason="Too loud.")
    assert (status, rejected["status"]) == (200, "draft")
    _, shown = await people.http.call("GET", "/v1/offers/o1", key=people.ann)
    assert (shown["review"]["verdict"], shown["review"]["reason"]) == ("rejected", "Too loud.")
    assert (await people.decide("approve", rejected["version"]))[0] == 409


async def test_what_may_be_paused_or_decided_on_is_said(people: People) -> None:
    http = people.http
    stored = await people.save(status="draft")
    assert stored["status"] == "draft"
    assert (await http.call("POST", "/v1/offers/o1/pause", key=people.ann))[0] == 409
    assert (await people.decide("approve", stored["version"]))[0] == 409
    assert (await http.call("POST", "/v1/offers/none/pause", key=people.ann))[0] == 404
    assert (await http.call("POST", "/v1/offers/none/approve", {"version": 1}, key=people.bob))[0] == 404


async def test_the_audit_log_says_who_submitted_and_who_decided(people: People) -> None:
    http = people.http
    stored = await people.save()
    await people.decide("approve", stored["version"])
    await http.call("POST", "/v1/offers/o1/pause", key=people.bob)
    _, page = await http.call("GET", "/v1/audit?limit=3")
    assert [entry["action"] for entry in page["items"]] == ["pause", "approve", "submit"]
    approval = page["items"][1]
    assert (approval["before"]["status"], approval["after"]["status"]) == ("submitted", "active")


async def test_a_dry_run_says_that_it_would_wait_and_stores_nothing(people: People) -> None:
    status, told = await people.http.call("PUT", "/v1/offers/o1?dry_run=true", OFFER, key=people.ann)
    assert (status, told["status"], told["version"], told["document"]["status"]) == (200, "submitted", 0, "submitted")
    assert (await people.http.call("GET", "/v1/offers/o1"))[0] == 404


class TestWithoutALimit:
    """The default: one person may do all, and may still ask for a second pair of eyes."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return dataclasses.replace(settings, approval_reach=0)

    async def test_an_offer_is_live_by_its_authors_save(self, people: People) -> None:
        assert ((await people.save())["status"], people.is_live) == ("active", True)

    async def test_who_submits_of_his_own_will_waits_too(self, people: People) -> None:
        stored = await people.save(status="submitted")
        assert (stored["status"], people.is_live) == ("submitted", False)
        assert (await people.decide("approve", stored["version"]))[0] == 200
        assert people.is_live

"""Offers and the policy over HTTP: refused with a pointer for every fault, live at once, listed in pages."""

from typing import Any

import pytest

from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import OFFER, circle


@pytest.fixture(autouse=True)
async def store(http: Http) -> None:
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.94, 60.17))


async def test_an_offer_is_live_once_its_put_is_answered(http: Http) -> None:
    status, stored = await http.call("PUT", "/v1/offers/o1", OFFER)
    assert (status, stored["id"]) == (200, "o1")
    offer = http.gateway.context.catalog.current.rulebook.get("o1")
    assert offer is not None
    assert (offer.version, offer.is_live) == (stored["version"], True)


async def test_what_was_put_comes_back_and_can_be_put_again(http: Http) -> None:
    await http.call("PUT", "/v1/offers/o1", OFFER)
    async with http.request("GET", "/v1/offers/o1") as answer:
        shown, tag = await answer.json(), answer.headers["ETag"]
    assert OFFER.items() <= shown.items()
    assert (await http.call("PUT", "/v1/offers/o1", shown, headers={"If-Match": tag}))[0] == 200
    assert (await http.call("PUT", "/v1/offers/o1", shown, headers={"If-Match": tag}))[0] == 412


async def test_an_edit_does_not_make_an_offer_younger(http: Http) -> None:
    await http.call("PUT", "/v1/offers/o1", OFFER)
    first = (await http.call("GET", "/v1/offers/o1"))[1]["created_at_ms"]
    await http.call("PUT", "/v1/offers/o1", OFFER | {"name": "Stew", "created_at_ms": 1})
    assert (await http.call("GET", "/v1/offers/o1"))[1]["created_at_ms"] == first


async def test_an_offer_naming_a_missing_geofence_is_told_which(http: Http) -> None:
    status, problem = await http.call("PUT", "/v1/offers/o1", OFFER | {"targets": {"geofences": ["g1", "nowhere"]}})
    assert (status, problem["pointer"]) == (422, "/targets/geofences/1")
    assert problem["errors"][0]["code"] == "missing_geofence"
    assert (await http.call("GET", "/v1/offers/o1"))[0] == 404


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"nmae": "x"}, ["/nmae"]),
        ({"priority": "high"}, ["/priority"]),
        ({"trigger": {"type": "dwell"}}, ["/trigger/dwell_s"]),
        ({"audience": "user.age >"}, ["/audience"]),
        ({"messages": {"en": {"title": "{{ oops", "body": "x"}}}, ["/messages/en/title"]),
        ({"id": "other"}, ["/id"]),
        ({"priority": "high", "value": 0, "zone": 5}, ["/priority", "/zone", "/value"]),
    ],
)
async def test_every_fault_of_an_offer_has_its_pointer(http: Http, change: dict[str, Any], pointers: list[str]) -> None:
    status, problem = await http.call("PUT", "/v1/offers/o1", OFFER | change)
    assert (status, problem["code"]) == (422, "invalid_document")
    assert problem["pointer"] in pointers
    if "errors" in problem:
        assert {e["pointer"] for e in problem["errors"]} == set(pointers)


async def test_offers_are_listed_in_pages_and_deleted(http: Http) -> None:
    for i in range(3):
        await http.call("PUT", f"/v1/offers/o{i}", OFFER)
    _, page = await http.call("GET", "/v1/offers?limit=2")
    _, rest = await http.call("GET", f"/v1/offers?limit=2&cursor={page['next_cursor']}")
    assert [o["id"] for o in page["items"] + rest["items"]] == ["o0", "o1", "o2"]
    assert rest["next_cursor"] is None
    assert (await http.call("DELETE", "/v1/offers/o1"))[0] == 204
    assert (await http.call("DELETE", "/v1/offers/o1"))[0] == 404


async def test_the_policy_has_defaults_and_is_put_as_a_whole(http: Http) -> None:
    assert (await http.call("GET", "/v1/policy"))[0] == 200
    status, _ = await http.call("PUT", "/v1/policy", {"quiet_hours": {"enabled": False}})
    assert status == 200
    assert (await http.call("GET", "/v1/policy"))[1] == {"quiet_hours": {"enabled": False}}
    assert http.gateway.context.catalog.current.rulebook.policy.quiet_hours.enabled is False


async def test_a_policy_with_a_fault_is_refused_with_its_pointer(http: Http) -> None:
    status, problem = await http.call("PUT", "/v1/policy", {"quiet_hours": {"start": "09:00", "end": "09:00"}})
    assert (status, problem["pointer"]) == (422, "/quiet_hours/end")


async def test_a_doubtful_offer_is_saved_with_advice(http: Http) -> None:
    """Shouting is possible, and advised against with the rule's name and the place."""
    loud = OFFER | {"messages": {"en": {"title": "BUY NOW OR NEVER", "body": "Buy soup today."}}}
    status, told = await http.call("PUT", "/v1/offers/loud", loud)
    assert status == 200, told
    assert {"/messages/en/title"} == {w["pointer"] for w in told["warnings"] if w["rule"] == "shouting"}


async def test_an_offer_that_was_active_cannot_become_a_draft_again(http: Http) -> None:
    """What was sent stays sent: the refusal names the status and what may follow."""
    await http.call("PUT", "/v1/offers/o9", OFFER | {"status": "active"})
    status, told = await http.call("PUT", "/v1/offers/o9", OFFER | {"status": "draft"})
    assert (status, told["pointer"]) == (422, "/status")


async def test_an_offer_is_shown_with_the_version_that_its_tag_and_its_pushes_name(http: Http) -> None:
    _, stored = await http.call("PUT", "/v1/offers/o1", OFFER | {"version": 77})
    _, listed = await http.call("GET", "/v1/offers")
    _, earlier = await http.call("GET", f"/v1/catalog/versions/{stored['version']}/offers/o1")
    shown = [(await http.call("GET", "/v1/offers/o1"))[1], listed["items"][0], earlier]
    assert [offer["version"] for offer in shown] == [stored["version"]] * 3


@pytest.mark.parametrize("path", ["/v1/offers/o1", "/v1/policy", "/v1/geofences/g2"])
async def test_a_dry_run_answers_what_would_be_stored_and_changes_nothing(http: Http, path: str) -> None:
    document = {"/v1/offers/o1": OFFER, "/v1/policy": {"holdout_ratio": 0.2}}.get(path, circle("g2", 24.95, 60.17))
    version = http.gateway.context.catalog.current.version
    status, told = await http.call("PUT", f"{path}?dry_run=true", document)
    assert (status, told["version"]) == (200, 0)
    assert document.items() <= told["document"].items()
    assert (await http.call("GET", "/v1/catalog/versions?limit=1"))[1]["items"][0]["version"] == version
    assert (await http.call("PUT", path, told["document"]))[0] == 200
    assert (await http.call("PUT", f"{path}?dry_run=true", document, headers={"If-None-Match": "*"}))[0] == 412


async def test_a_dry_run_refuses_and_advises_as_in_earnest(http: Http) -> None:
    dry = "/v1/offers/o1?dry_run=true"
    assert (await http.call("PUT", dry, OFFER | {"priority": "high"}))[1]["pointer"] == "/priority"
    assert (await http.call("PUT", "/v1/offers/o1?dry_run=perhaps", OFFER))[0] == 400
    loud = OFFER | {"messages": {"en": {"title": "BUY NOW OR NEVER", "body": "Buy soup today."}}}
    assert "shouting" in {warning["rule"] for warning in (await http.call("PUT", dry, loud))[1]["warnings"]}
    await http.call("PUT", "/v1/offers/o1", OFFER)
    status, told = await http.call("PATCH", dry, {"status": "paused"})
    assert (status, told["document"]["status"]) == (200, "paused")
    assert (await http.call("GET", "/v1/offers/o1"))[1]["status"] == "active"

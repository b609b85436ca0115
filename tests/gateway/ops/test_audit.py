"""The audit log: filtered by who, what and when, a page at a time, and without a user's id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.store.audit import MAX_SCANNED, AuditEntry
from tests.gateway.conftest import Http
from tests.gateway.ops.test_geofences import OFFER, circle


async def told(http: Http, query: str = "") -> list[tuple[str, str]]:
    status, page = await http.call("GET", f"/v1/audit?{query}")
    assert status == 200, page
    return [(entry["action"], entry["what"]) for entry in page["items"]]


async def test_it_is_asked_by_who_what_and_action(http: Http) -> None:
    _, ann = await http.call("POST", "/v1/keys", {"name": "Ann", "role": "marketer"})
    await http.call("PUT", "/v1/geofences/g1", circle("g1", 24.94, 60.17))
    for offer_id in ("o1", "o12"):
        await http.call("PUT", f"/v1/offers/{offer_id}", OFFER, key=ann["secret"])
    await http.call("POST", "/v1/offers/o1/pause", key=ann["secret"])
    assert await told(http, "who=Ann") == [("pause", "offers/o1"), ("put", "offers/o12"), ("put", "offers/o1")]
    assert await told(http, f"who={ann['key_id']}") == await told(http, "who=Ann")
    assert await told(http, "what=offers/o1") == [("pause", "offers/o1"), ("put", "offers/o1")]
    assert await told(http, "what=geofences") == [("put", "geofences/g1")]
    assert await told(http, "what=offers&action=put") == [("put", "offers/o12"), ("put", "offers/o1")]
    assert await told(http, "who=nobody") == []


async def test_it_is_asked_by_time_to_the_millisecond(http: Http) -> None:
    for number in range(3):
        await http.call("PUT", "/v1/policy", {"holdout_ratio": 0.1 + number / 10})
    connection = http.gateway.context.store.connection
    stored = await connection.call("XRANGE", "gp:{audit}:log", "-", "+")
    first_ms, last_ms = (int(entry_id.partition(b"-")[0]) for entry_id in (stored[0][0], stored[-1][0]))
    assert len(await told(http, f"from={first_ms}&to={last_ms}")) == 3
    assert await told(http, f"from={last_ms + 1}") == []
    assert await told(http, f"to={first_ms - 1}") == []


async def test_pages_of_few_among_many_go_on_until_all_are_told(http: Http) -> None:
    """A page looks through a bounded number of entries; what it did not find, the next one does."""
    audit = http.gateway.context.store.audit
    await audit.record(AuditEntry(at_ms=1, who="ann", action="put", what="offers/rare"))
    entry = b'{"at_ms":2,"who":"bob","action":"put","what":"offers/common"}'
    connection = http.gateway.context.store.connection
    commands = [("XADD", "gp:{audit}:log", "*", "entry", entry)] * 1_000
    for _ in range(MAX_SCANNED // 1_000 + 1):
        await connection.batch(commands)
    found: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        _, page = await http.call("GET", f"/v1/audit?who=ann{cursor and '&cursor=' + cursor}")
        found += [item["what"] for item in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert (found, pages) == (["offers/rare"], 2)


@pytest.mark.parametrize(
    "query", ["from=yesterday", "to=-1", "to=9" + "9" * 14, "limit=0", "cursor=!", "cursor=", "cursor=bm9uZQ"]
)
async def test_a_question_that_means_nothing_is_refused(http: Http, query: str) -> None:
    assert (await http.call("GET", f"/v1/audit?{query}"))[0] == 400


@pytest.mark.parametrize(
    ("path", "document", "kind"),
    [
        ("/v1/keys", {"name": "phone", "scopes": ["ingest"], "user_id": "jane-doe"}, "keys"),
        ("/v1/sources", {"kind": "owntracks", "name": "phone", "user_id": "jane-doe"}, "sources"),
        ("/v1/codes/spring", {"codes": ["A1", "A2"]}, "codes"),
    ],
)
async def test_what_is_let_in_is_written_down_without_secrets_and_user_ids(
    http: Http, path: str, document: dict[str, Any], kind: str
) -> None:
    _, made = await http.call("POST", path, document)
    _, page = await http.call("GET", f"/v1/audit?what={kind}")
    assert len(page["items"]) == 1
    assert page["items"][0]["after"]
    written = json.dumps(page)
    assert "jane-doe" not in written
    secret = made.get("secret") or made.get("setup", {}).get("url", "no secret")
    assert secret not in written

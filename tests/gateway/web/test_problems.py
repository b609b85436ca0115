"""Every error is a problem document with a stable code, an id, and no word of what is inside."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from gateway.errors import Conflict, GeopushError, InvalidDocument, TooManyRequests, Unauthorized
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.web.operations import operation, serve
from gateway.web.server import make_runner
from tests.gateway.web.bare import bare_application

ERRORS: dict[str, Exception] = {
    "conflict": Conflict("still used", used_by=["o1"]),
    "invalid": InvalidDocument("bad", pointer="/a", errors=[{"pointer": "/a", "code": "wrong_type", "detail": "no"}]),
    "slow-down": TooManyRequests("too fast", retry_after_s=7),
    "who": Unauthorized("send a key"),
    "bug": ZeroDivisionError("secret internals"),
}


@dataclass
class Client:
    """Calls a server whose every route fails."""

    session: aiohttp.ClientSession
    url: str
    metrics: Metrics

    async def get(self, path: str, **options: Any) -> aiohttp.ClientResponse:
        return await self.session.get(self.url + path, **options)


@operation("GET", "/fail/{error}")
async def fail(request: web.Request) -> web.StreamResponse:
    raise ERRORS[request.match_info["error"]]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    metrics = Metrics()
    app = bare_application(Settings(), metrics)
    serve(app, [fail])
    runner = make_runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Client(session, f"http://127.0.0.1:{runner.addresses[0][1]}", metrics)
    await runner.cleanup()


async def problem(answer: aiohttp.ClientResponse) -> dict[str, object]:
    assert answer.content_type == "application/problem+json"
    document: dict[str, object] = await answer.json()
    assert document["status"] == answer.status
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert document["type"] == f"urn:geopush:problem:{document['code']}"
    return document


async def test_an_error_of_ours_carries_its_facts(client: Client) -> None:
    found = await problem(await client.get("/fail/conflict"))
    assert (found["status"], found["code"]) == (409, "conflict")
    assert (found["detail"], found["used_by"]) == ("still used", ["o1"])


async def test_a_document_error_carries_its_pointers(client: Client) -> None:
    found = await problem(await client.get("/fail/invalid"))
    assert (found["status"], found["pointer"]) == (422, "/a")
    assert found["errors"] == [{"pointer": "/a", "code": "wrong_type", "detail": "no"}]


async def test_a_rate_limit_says_when_to_come_back(client: Client) -> None:
    answer = await client.get("/fail/slow-down")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


async def test_401_names_the_scheme(client: Client) -> None:
    assert (await client.get("/fail/who")).headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_unforeseen_error_shows_nothing_of_the_inside(client: Client) -> None:
    answer = await client.get("/fail/bug")
    assert "secret" not in await answer.text()
    assert (await problem(answer))["code"] == "internal_error"


async def test_unknown_paths_and_methods_are_problems_too(client: Client) -> None:
    assert (await problem(await client.get("/nowhere")))["code"] == "no_such_route"
    answer = await client.session.post(client.url + "/fail/conflict")
    assert (await problem(answer))["code"] == "method_not_allowed"
    assert answer.headers["Allow"] == "GET, HEAD"


async def test_a_fit_request_id_of_the_caller_is_kept(client: Client) -> None:
    answer = await client.get("/nowhere", headers={"X-Request-Id": "abc-123"})
    assert answer.headers["X-Request-Id"] == "abc-123"
    answer = await client.get("/nowhere", headers={"X-Request-Id": "x" * 65})
    assert len(answer.headers["X-Request-Id"]) < 64


async def test_answers_are_counted_by_route_pattern_never_by_path(client: Client) -> None:
    await client.get("/fail/conflict")
    samples = [s for m in client.metrics.http.collect() for s in m.samples if s.name.endswith("_total")]
    assert [(s.labels, s.value) for s in samples] == [({"route": "/fail/{error}", "status": "409"}, 1.0)]


async def test_what_is_no_http_is_refused_and_not_quoted_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A phone with a bug in its line ends must not leave its key and place there; a scan of ports leaves nothing."""
    url = urlsplit(client.url)
    for line in (
        b"POST /v1/pings HTTP/1.1\nAuthorization: Bearer gp_secret\n\n",
        b"GET /\x00 HTTP/1.1\r\nX: gp_secret\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(line)
        assert b"400 Bad Request" in await reader.readline()
        writer.close()
    assert "gp_secret" not in caplog.text


def test_every_error_has_a_code_of_its_own() -> None:
    def tree(kind: type[GeopushError]) -> list[type[GeopushError]]:
        return [kind, *(grandchild for child in kind.__subclasses__() for grandchild in tree(child))]

    codes = [kind.code for kind in tree(GeopushError)]
    assert len(codes) == len(set(codes))

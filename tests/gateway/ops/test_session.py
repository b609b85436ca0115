"""Signing in to the console: a session in a cookie, its CSRF token, its ends, and guessing made slow."""

from __future__ import annotations

import dataclasses
from http.cookies import SimpleCookie
from typing import Any

import aiohttp
import pytest

from gateway.settings import Settings
from tests.gateway.conftest import Http


class Browser:
    """One browser at the gateway: keeps cookies, sends no key."""

    def __init__(self, http: Http) -> None:
        self._url = http.gateway.url
        self.cookies: dict[str, str] = {}
        self.set_cookie: SimpleCookie = SimpleCookie()
        self.csrf = ""

    async def call(self, method: str, path: str, document: Any = None, **headers: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            async with session.request(method, self._url + path, json=document, headers=sent) as answer:
                self.set_cookie = SimpleCookie()
                for line in answer.headers.getall("Set-Cookie", []):
                    self.set_cookie.load(line)
                body = await answer.json(content_type=None) if answer.content_type.endswith("json") else None
                return answer.status, body

    async def sign_in(self, key: str, **headers: str) -> dict[str, Any]:
        status, told = await self.call("POST", "/v1/session", {"key": key}, **headers)
        assert status == 201, told
        self.cookies = {name: morsel.value for name, morsel in self.set_cookie.items()}
        self.csrf = told["csrf_token"]
        session: dict[str, Any] = told
        return session

    async def change(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        return await self.call(method, path, document, X_CSRF_Token=self.csrf)


@pytest.fixture
def browser(http: Http) -> Browser:
    return Browser(http)


async def test_a_key_becomes_a_session_that_says_who_and_what_one_is(http: Http, browser: Browser) -> None:
    _, made = await http.call("POST", "/v1/keys", {"name": "Mia", "role": "marketer"})
    told = await browser.sign_in(made["secret"])
    assert (told["name"], told["role"], told["key_id"], told["tags"]) == ("Mia", "marketer", made["key_id"], [])
    assert "offers:write" in told["permissions"]
    assert "offers:approve" not in told["permissions"]
    assert await browser.call("GET", "/v1/session") == (200, told)
    assert made["secret"] not in str(told)


async def test_no_script_reads_the_cookie_and_no_other_site_sends_it(http: Http, browser: Browser) -> None:
    await browser.sign_in(http.key)
    morsel = browser.set_cookie["geopush"]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["secure"]) == (True, "Strict", "/", "")
    assert int(morsel["max-age"]) == 43_200


async def test_a_change_needs_the_csrf_token_and_a_look_does_not(http: Http, browser: Browser) -> None:
    await browser.sign_in(http.key)
    assert (await browser.call("GET", "/v1/offers"))[0] == 200
    status, problem = await browser.call("PUT", "/v1/policy", {})
    assert (status, problem["code"]) == (403, "forbidden")
    assert "X-CSRF-Token" in problem["detail"]
    assert (await browser.call("PUT", "/v1/policy", {}, X_CSRF_Token="0" * 64))[0] == 403
    assert (await browser.change("PUT", "/v1/policy", {}))[0] == 200


async def test_another_sessions_csrf_token_is_worth_nothing(http: Http, browser: Browser) -> None:
    other = Browser(http)
    await other.sign_in(http.key)
    await browser.sign_in(http.key)
    assert browser.csrf != other.csrf
    assert (await browser.call("PUT", "/v1/policy", {}, X_CSRF_Token=other.csrf))[0] == 403


async def test_signing_out_ends_the_session_and_takes_the_cookie_away(http: Http, browser: Browser) -> None:
    await browser.sign_in(http.key)
    assert (await browser.call("DELETE", "/v1/session"))[0] == 403
    assert (await browser.change("DELETE", "/v1/session"))[0] == 204
    assert browser.set_cookie["geopush"].value == ""
    assert (await browser.call("GET", "/v1/session"))[0] == 401


async def test_revoking_a_key_ends_its_sessions(http: Http, browser: Browser) -> None:
    _, made = await http.call("POST", "/v1/keys", {"name": "Mia", "role": "viewer"})
    await browser.sign_in(made["secret"])
    assert (await http.call("DELETE", f"/v1/keys/{made['key_id']}"))[0] == 204
    status, problem = await browser.call("GET", "/v1/offers")
    assert (status, problem["detail"]) == (401, "this session has ended; sign in again")


async def test_a_role_holds_within_a_session_too(http: Http, browser: Browser) -> None:
    await browser.sign_in(await http.new_key(role="viewer"))
    status, problem = await browser.change("PUT", "/v1/policy", {})
    assert (status, problem["permission"], problem["roles"]) == (403, "policy:write", ["admin"])


@pytest.mark.parametrize("facts", [{"scopes": ["ingest"]}, {"scopes": ["events"]}])
async def test_a_key_for_machines_signs_nobody_in(http: Http, browser: Browser, facts: dict[str, Any]) -> None:
    key = (await http.call("POST", "/v1/keys", {"name": "phones", **facts}))[1]["secret"]
    status, problem = await browser.call("POST", "/v1/session", {"key": key})
    assert (status, problem["permission"]) == (403, "console:use")


async def test_a_bearer_key_is_told_who_it_is_and_has_no_session_to_end(http: Http) -> None:
    status, told = await http.call("GET", "/v1/session")
    assert (status, told["name"], told["scopes"], told["csrf_token"]) == (200, "first admin", ["admin"], "")
    assert (await http.call("DELETE", "/v1/session"))[0] == 404


async def test_guessing_keys_is_slowed_down_and_names_when_to_come_back(http: Http, browser: Browser) -> None:
    answers = [(await browser.call("POST", "/v1/session", {"key": f"gp_{guess}"}))[0] for guess in range(12)]
    assert answers == [401] * 10 + [429] * 2
    status, problem = await browser.call("POST", "/v1/session", {"key": http.key})
    assert (status, problem["code"]) == (429, "too_many_requests")


@pytest.mark.parametrize("document", [{}, {"key": ""}, {"key": 7}, {"key": "x", "remember": True}])
async def test_a_sign_in_that_is_no_key_is_refused_with_its_fault(browser: Browser, document: Any) -> None:
    assert (await browser.call("POST", "/v1/session", document))[0] == 422


async def test_a_form_on_another_site_cannot_sign_anybody_in(http: Http) -> None:
    async with http.session.post(http.gateway.url + "/v1/session", data='{"key": "x"}') as answer:
        assert answer.status == 415


class TestBehindAProxy:
    """What a proxy says of the caller counts only where the settings say so."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return dataclasses.replace(settings, trusts_proxy=True)

    async def test_over_https_the_cookie_is_secure_and_bound_to_the_host(self, http: Http, browser: Browser) -> None:
        await browser.sign_in(http.key, X_Forwarded_Proto="https")
        morsel = browser.set_cookie["__Host-geopush"]
        assert (morsel["secure"], morsel["httponly"], morsel["path"], morsel["domain"]) == (True, True, "/", "")
        assert (await browser.call("GET", "/v1/offers"))[0] == 200

    async def test_each_address_that_the_proxy_saw_is_counted_for_itself(self, http: Http, browser: Browser) -> None:
        for _ in range(10):
            await browser.call("POST", "/v1/session", {"key": "gp_x"}, X_Forwarded_For="203.0.113.7, 198.51.100.1")
        told = [
            (await browser.call("POST", "/v1/session", {"key": http.key}, X_Forwarded_For=seen))[0]
            for seen in ("198.51.100.1", "203.0.113.7, 198.51.100.2")
        ]
        assert told == [429, 201]

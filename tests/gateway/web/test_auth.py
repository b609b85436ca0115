"""Keys and sessions are verified once in a while, not once a request, and permissions are held to."""

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.errors import Forbidden, Unauthorized, Unavailable
from gateway.store.api_keys import ApiKey
from gateway.web.auth import CSRF_HEADER, SESSION_COOKIE, Doorkeeper, Identity, csrf_of, identity_of
from gateway.web.permissions import MEANING, ROLES, SCOPES, Permission, holders
from gateway.web.remembering import REMEMBER_S, STALE_S


def key(key_id: str, *scopes: str, role: str | None = None, user_id: str | None = None) -> Identity:
    return identity_of(
        ApiKey(key_id=key_id, name=key_id, scopes=frozenset(scopes), role=role, created_at_ms=0, user_id=user_id)
    )


class Keys:
    """A store of keys and sessions that counts how often it is asked."""

    def __init__(self) -> None:
        self.known = {"good": key("k1", "ingest"), "root": key("k2", "admin"), "person": key("k3", role="marketer")}
        self.asked = 0
        self.is_down = False

    async def verify(self, secret: str) -> Identity | None:
        self.asked += 1
        if self.is_down:
            raise Unavailable("Redis does not answer")
        return self.known.get(secret)


def doorkeeper_of(keys: Keys) -> Doorkeeper:
    return Doorkeeper(keys.verify, keys.verify)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def admit(doorkeeper: Doorkeeper, header: str | None, needs: Permission = Permission.SEND_PINGS) -> Identity:
    headers = {} if header is None else {"Authorization": header}
    return await doorkeeper.admit(make_mocked_request("GET", "/", headers=headers), needs)


async def test_a_key_with_the_scope_is_admitted_and_asked_about_once() -> None:
    keys, clock = Keys(), Clock()
    doorkeeper = Doorkeeper(keys.verify, keys.verify, clock)
    for _ in range(10):
        assert (await admit(doorkeeper, "Bearer good")).key_id == "k1"
    assert keys.asked == 1


async def test_a_revoked_key_opens_nothing_once_the_memory_is_over() -> None:
    keys, clock = Keys(), Clock()
    doorkeeper = Doorkeeper(keys.verify, keys.verify, clock)
    await admit(doorkeeper, "Bearer good")
    keys.known.clear()
    clock.now = REMEMBER_S
    with pytest.raises(Unauthorized, match="unknown, expired or revoked"):
        await admit(doorkeeper, "Bearer good")


async def test_forgetting_makes_a_revocation_immediate() -> None:
    keys = Keys()
    doorkeeper = Doorkeeper(keys.verify, keys.verify, Clock())
    await admit(doorkeeper, "Bearer good")
    keys.known.clear()
    doorkeeper.forget()
    with pytest.raises(Unauthorized):
        await admit(doorkeeper, "Bearer good")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic Z29vZA==", "good"])
async def test_without_a_bearer_key_the_answer_says_how_to_send_one(header: str | None) -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer"):
        await admit(doorkeeper_of(Keys()), header)


async def test_a_key_without_the_permission_is_told_which_it_lacks_and_who_has_it() -> None:
    with pytest.raises(Forbidden, match="lacks the permission offers:write; its scopes are ingest") as refused:
        await admit(doorkeeper_of(Keys()), "Bearer good", Permission.WRITE_OFFERS)
    assert refused.value.extra == {
        "permission": "offers:write",
        "roles": ["marketer", "admin"],
        "scopes": ["ops", "admin"],
    }
    with pytest.raises(Forbidden, match=r"its role is marketer\. The roles approver, admin have it"):
        await admit(doorkeeper_of(Keys()), "Bearer person", Permission.APPROVE_OFFERS)


@pytest.mark.parametrize("needs", Permission)
async def test_admin_holds_every_permission(needs: Permission) -> None:
    assert (await admit(doorkeeper_of(Keys()), "Bearer root", needs)).key_id == "k2"


@pytest.mark.parametrize("permission", Permission)
def test_every_permission_has_words_and_somebody_beside_admin_or_a_reason(permission: Permission) -> None:
    """What only admins hold is what lets others in."""
    roles, scopes = holders(permission)
    assert MEANING[permission]
    only_admins = {Permission.MANAGE_KEYS, Permission.MANAGE_SOURCES}
    assert (roles == scopes == ["admin"]) == (permission in only_admins)


def test_nobody_but_an_admin_both_writes_and_approves() -> None:
    both = {Permission.WRITE_OFFERS, Permission.APPROVE_OFFERS}
    assert [name for sets in (ROLES, SCOPES) for name, held in sets.items() if both <= held] == ["admin", "admin"]


def test_a_viewer_sees_no_single_user() -> None:
    personal = {Permission.READ_USERS, Permission.EXPORT_USERS, Permission.ERASE_USERS, Permission.WRITE_USERS}
    assert {name for name, held in ROLES.items() if held & personal} == {"privacy", "admin"}


async def in_session(method: str, cookie: str, needs: Permission, csrf: str | None = None) -> Identity:
    headers = {"Cookie": cookie} | ({} if csrf is None else {CSRF_HEADER: csrf})
    return await doorkeeper_of(Keys()).admit(make_mocked_request(method, "/", headers=headers), needs)


async def test_a_session_reads_with_its_cookie_alone_and_writes_with_its_csrf_token() -> None:
    cookie = f"{SESSION_COOKIE}=person"
    assert (await in_session("GET", cookie, Permission.READ_CATALOG)).key_id == "k3"
    assert (await in_session("PUT", cookie, Permission.WRITE_OFFERS, csrf_of("person"))).key_id == "k3"
    for wrong in (None, "", csrf_of("other"), "ä"):
        with pytest.raises(Forbidden, match=CSRF_HEADER):
            await in_session("PUT", cookie, Permission.WRITE_OFFERS, wrong)
    with pytest.raises(Unauthorized, match="sign in again"):
        await in_session("GET", f"{SESSION_COOKIE}=ended", Permission.READ_CATALOG)


async def test_while_nobody_can_tell_a_known_key_stays_known_and_an_unknown_one_is_told_to_come_back() -> None:
    """An outage of Redis stops what needs Redis; it is asked about keys once in a while, not by every request."""
    keys, clock = Keys(), Clock()
    doorkeeper = Doorkeeper(keys.verify, keys.verify, clock)
    await admit(doorkeeper, "Bearer good")
    keys.is_down = True
    clock.now = REMEMBER_S + 1
    for _ in range(10):
        assert (await admit(doorkeeper, "Bearer good")).key_id == "k1"
    assert keys.asked == 2
    with pytest.raises(Unavailable):
        await admit(doorkeeper, "Bearer root", Permission.MANAGE_KEYS)
    clock.now = REMEMBER_S + STALE_S
    with pytest.raises(Unavailable):
        await admit(doorkeeper, "Bearer good")


async def test_a_key_that_was_found_revoked_opens_nothing_in_an_outage() -> None:
    keys, clock = Keys(), Clock()
    doorkeeper = Doorkeeper(keys.verify, keys.verify, clock)
    await admit(doorkeeper, "Bearer good")
    keys.known.clear()
    clock.now = REMEMBER_S + 1
    with pytest.raises(Unauthorized):
        await admit(doorkeeper, "Bearer good")
    keys.is_down = True
    with pytest.raises(Unavailable):
        await admit(doorkeeper, "Bearer good")


async def test_guessed_keys_are_not_remembered() -> None:
    doorkeeper = doorkeeper_of(Keys())
    for guess in range(10):
        with pytest.raises(Unauthorized):
            await admit(doorkeeper, f"Bearer {guess}")
    assert len(doorkeeper._keys) == 0


def test_a_bound_credential_speaks_for_its_user_only() -> None:
    bound = key("k", "ingest", user_id="u1")
    bound.speak_for("u1")
    with pytest.raises(Forbidden):
        bound.speak_for("u2")

"""Keys are verified once in a while, not once a request, and scopes are held to."""

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.errors import Forbidden, Unauthorized
from gateway.web.auth import Doorkeeper, Identity
from gateway.web.remembering import REMEMBER_S

INGEST = frozenset({"ingest"})


class Keys:
    """A store of keys that counts how often it is asked."""

    def __init__(self) -> None:
        self.known = {"good": Identity("k1", "phones", INGEST), "root": Identity("k2", "root", frozenset({"admin"}))}
        self.asked = 0

    async def verify(self, secret: str) -> Identity | None:
        self.asked += 1
        return self.known.get(secret)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def admit(doorkeeper: Doorkeeper, header: str | None, scopes: frozenset[str] = INGEST) -> Identity:
    headers = {} if header is None else {"Authorization": header}
    return await doorkeeper.admit(make_mocked_request("GET", "/", headers=headers), scopes)


async def test_a_key_with_the_scope_is_admitted_and_asked_about_once() -> None:
    keys, clock = Keys(), Clock()
    doorkeeper = Doorkeeper(keys.verify, clock)
    for _ in range(10):
        assert (await admit(doorkeeper, "Bearer good")).key_id == "k1"
    assert keys.asked == 1


async def test_a_revoked_key_opens_nothing_once_the_memory_is_over() -> None:
    keys, clock = Keys(), Clock()
    doorkeeper = Doorkeeper(keys.verify, clock)
    await admit(doorkeeper, "Bearer good")
    keys.known.clear()
    clock.now = REMEMBER_S
    with pytest.raises(Unauthorized, match="unknown, expired or revoked"):
        await admit(doorkeeper, "Bearer good")


async def test_forgetting_makes_a_revocation_immediate() -> None:
    keys = Keys()
    doorkeeper = Doorkeeper(keys.verify, Clock())
    await admit(doorkeeper, "Bearer good")
    keys.known.clear()
    doorkeeper.forget()
    with pytest.raises(Unauthorized):
        await admit(doorkeeper, "Bearer good")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic Z29vZA==", "good"])
async def test_without_a_bearer_key_the_answer_says_how_to_send_one(header: str | None) -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer"):
        await admit(Doorkeeper(Keys().verify), header)


async def test_a_key_without_the_scope_is_told_which_it_lacks() -> None:
    with pytest.raises(Forbidden, match="lacks the scope ops; its scopes are ingest"):
        await admit(Doorkeeper(Keys().verify), "Bearer good", frozenset({"ops"}))


async def test_admin_holds_every_scope() -> None:
    assert (await admit(Doorkeeper(Keys().verify), "Bearer root", frozenset({"ops"}))).key_id == "k2"


async def test_guessed_keys_are_not_remembered() -> None:
    doorkeeper = Doorkeeper(Keys().verify)
    for guess in range(10):
        with pytest.raises(Unauthorized):
            await admit(doorkeeper, f"Bearer {guess}")
    assert len(doorkeeper._remembered) == 0


def test_a_bound_credential_speaks_for_its_user_only() -> None:
    bound = Identity("k", "phone", INGEST, user_id="u1")
    bound.speak_for("u1")
    with pytest.raises(Forbidden):
        bound.speak_for("u2")

"""Sessions: kept alive by use, ended by age and with the secret they were opened with; nothing readable is stored."""

import pytest

from gateway.store import Store
from gateway.store.connection import Connection
from gateway.store.sessions import Sessions


@pytest.fixture
async def secret(store: Store) -> str:
    return (await store.api_keys.create((), "Mia", role="viewer"))[1]


async def test_a_session_is_its_keys_until_it_is_closed(store: Store, secret: str) -> None:
    token, ends_at_ms = await store.sessions.open(secret)
    key = await store.api_keys.verify(secret)
    assert key is not None
    assert await store.sessions.find(token) == (key, ends_at_ms)
    assert await store.sessions.find(token + "x") is None
    await store.sessions.close(token)
    assert await store.sessions.find(token) is None


async def test_use_keeps_a_session_alive_but_never_past_its_age(store: Store, connection: Connection) -> None:
    sessions = Sessions(connection, store.api_keys, idle_s=100, longest_s=150)
    _, secret = await store.api_keys.create((), "Mia", role="viewer")
    token, _ = await sessions.open(secret)
    (name,) = await _sessions(connection)
    assert 0 < await connection.call("PTTL", name) <= 100_000
    await connection.call("PEXPIRE", name, 5_000)
    assert await sessions.find(token) is not None
    assert 5_000 < await connection.call("PTTL", name) <= 100_000
    aged = Sessions(connection, store.api_keys, idle_s=100, longest_s=10)
    await aged.open(secret)
    assert all([await connection.call("PTTL", one) <= 10_000 for one in await _sessions(connection) if one != name])


async def test_a_session_ends_with_the_very_secret_it_was_opened_with(store: Store, secret: str) -> None:
    """A rotation lets it live for the overlap, a revocation not a moment longer."""
    key = await store.api_keys.verify(secret)
    assert key is not None
    first, _ = await store.sessions.open(secret)
    rotated = await store.api_keys.rotate(key.key_id, 3600)
    assert rotated is not None
    second, _ = await store.sessions.open(rotated[1])
    assert await store.sessions.find(first) is not None
    rotated = await store.api_keys.rotate(key.key_id, 0)
    assert rotated is not None
    assert [await store.sessions.find(token) for token in (first, second)] == [None, None]
    third, _ = await store.sessions.open(rotated[1])
    await store.api_keys.revoke(key.key_id)
    assert await store.sessions.find(third) is None


async def test_neither_tokens_nor_keys_are_stored(store: Store, connection: Connection, secret: str) -> None:
    token, _ = await store.sessions.open(secret)
    names = await connection.call("KEYS", "gp:{keys}:*")
    stored = b"".join(names) + b"".join([await connection.call("GET", name) for name in names if b":session:" in name])
    assert token.encode() not in stored
    assert secret.encode() not in stored


async def test_a_rotated_key_stays_one_key_and_its_old_secret_opens_for_the_overlap(store: Store) -> None:
    key, old = await store.api_keys.create({"ops"}, "back end")
    rotated = await store.api_keys.rotate(key.key_id, 3600)
    assert rotated is not None
    new = rotated[1]
    opened = [await store.api_keys.verify(secret) for secret in (old, new)]
    assert [one.key_id if one else None for one in opened] == [key.key_id] * 2
    assert [one.key_id for one in await store.api_keys.list()] == [key.key_id]
    again = await store.api_keys.rotate(key.key_id, 0)
    assert again is not None
    assert [await store.api_keys.verify(secret) for secret in (old, new)] == [None, None]
    assert await store.api_keys.verify(again[1]) is not None
    assert await store.api_keys.rotate("nobody", 0) is None
    assert await store.api_keys.revoke(key.key_id)
    assert await store.api_keys.verify(again[1]) is None


async def test_a_rotation_never_lengthens_a_keys_life(store: Store) -> None:
    key, old = await store.api_keys.create({"ops"}, "guest", expires_at_ms=4_000_000_000_000)
    rotated = await store.api_keys.rotate(key.key_id, 3600)
    assert rotated is not None
    assert rotated[0].expires_at_ms == key.expires_at_ms
    replaced = await store.api_keys.verify(old)
    assert replaced is not None
    assert 0 < replaced.expires_at_ms < key.expires_at_ms


async def test_failed_attempts_are_counted_by_place(store: Store) -> None:
    await store.sessions.fail("here")
    (name,) = await store.connection.call("KEYS", "gp:{keys}:failed:here:*")
    assert await store.connection.call("GET", name) == b"1"
    assert 0 < await store.connection.call("TTL", name) <= 60
    assert await store.sessions.failed("there") == 0


async def _sessions(connection: Connection) -> list[bytes]:
    names: list[bytes] = await connection.call("KEYS", "gp:{keys}:session:*")
    return names

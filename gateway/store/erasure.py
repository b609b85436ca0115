"""Forgetting a user, and handing out all that is held of him.

Everything of a user lies under keys that ``keys.of_user`` lists, in a few sets of his partition, in the outbox and the
dead letters while a push of his is there, and under the digests of his tokens and the ids of his pushes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.store import keys
from gateway.store.claiming import history_of
from gateway.store.connection import Arg, Connection
from gateway.store.inbox import waiting_document
from gateway.store.pseudonyms import Pseudonyms, token_digest
from gateway.store.users import Habits, User
from gateway.store.versioned import Versioned


async def erase(connection: Connection, partitions: int, pseudonyms: Pseudonyms, user_id: str, at_ms: int) -> bool:
    """Remove every trace of the user but a tombstone; False if there was none to remove."""
    partition = keys.partition_of(user_id, partitions)
    user = await Versioned(connection, User).get(keys.profile(partition, user_id))
    past = history_of(await connection.call("GET", keys.pushes(partition, user_id)))
    commands: list[tuple[Arg, ...]] = [
        ("DEL", *keys.of_user(partition, user_id)),
        ("HDEL", keys.present(partition), user_id),
        ("ZREM", keys.due(partition), user_id),
        ("ZREM", keys.deferred_due(partition), user_id),
        *(("DEL", keys.token_owner(token_digest(device.token))) for device in (user.devices if user else ())),
        *(("DEL", keys.push_trace(push.push_id)) for push in past),
    ]
    for stream in (keys.outbox(partition), keys.dead_letters(partition)):
        commands += [("XDEL", stream, stream_id) for stream_id in await _entries_of(connection, stream, user_id)]
    was_there = any(await connection.batch(commands))
    # the workers know who is present, and remember what they saved of him
    await connection.call("PUBLISH", keys.PRESENT_NEWS, msgspec.msgpack.encode(("", user_id, False, False)))
    await connection.call("SET", keys.tombstone(partition, pseudonyms.long(user_id)), at_ms)
    return was_there


async def erased_at_ms(
    connection: Connection, partitions: int, pseudonyms: Pseudonyms, user_ids: Sequence[str]
) -> dict[str, int]:
    """When each of these users was erased; who never was is missing."""
    stones = [keys.tombstone(keys.partition_of(user_id, partitions), pseudonyms.long(user_id)) for user_id in user_ids]
    values = await connection.mget(stones)
    return {user_id: int(value) for user_id, value in zip(user_ids, values, strict=True) if value is not None}


async def export(connection: Connection, partitions: int, user_id: str) -> dict[str, Any]:
    """All that is held of the user, for JSON; of the last fix, which is sealed, only whether there is one."""
    partition = keys.partition_of(user_id, partitions)
    user = await Versioned(connection, User).get(keys.profile(partition, user_id))
    habits = await Versioned(connection, Habits).get(keys.behaviour(partition, user_id))
    pushes, presence, outcomes, traces, deferred, inbox = await connection.batch(
        [
            ("GET", keys.pushes(partition, user_id)),
            ("GET", keys.presence(partition, user_id)),
            ("HGETALL", keys.outcomes(partition, user_id)),
            ("LRANGE", keys.traces(partition, user_id), 0, -1),
            ("HGETALL", keys.deferred(partition, user_id)),
            ("HGETALL", keys.inbox(partition, user_id)),
        ]
    )
    return {
        "user_id": user_id,
        "profile": msgspec.to_builtins(user),
        "behaviour": msgspec.to_builtins(habits),
        "pushes": msgspec.to_builtins(history_of(pushes)),
        "presence": None if presence is None else msgspec.to_builtins(msgspec.msgpack.decode(presence[8:])[1]),
        "last_fix": "none" if presence is None or msgspec.msgpack.decode(presence[8:])[0] is None else "sealed",
        "push_outcomes": {field.decode(): int(at_ms) for field, at_ms in outcomes.items()},
        "decisions": [msgspec.json.decode(trace) for trace in traces],
        "deferred": [msgspec.msgpack.decode(value)[1] for value in deferred.values()],
        "inbox": [msgspec.json.decode(waiting_document(value)) for value in inbox.values()],
    }


async def _entries_of(connection: Connection, stream: str, user_id: str) -> list[bytes]:
    wanted = user_id.encode()
    entries = await connection.call("XRANGE", stream, "-", "+")
    return [stream_id for stream_id, fields in entries if fields[b"user"] == wanted]

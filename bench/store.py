"""What the store costs: CPU of the gateway and of Redis per user, for batches as the ping path sends them.

``python -m bench.store [--json]`` starts a redis-server of its own. Keys, all in microseconds per user: ``load_us``,
``remembered_us`` (presences that this worker saved last), ``save_us``, ``shoppers_us``, ``claim_us`` (coalesced),
``claim_alone_us``; each with its ``…_redis_us``, the server's CPU. ``commit_100k_s`` is an import of 100,000
geofences, ``commit_longest_ms`` the longest that Redis was held by it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from gateway.clock import now_ms
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.catalog import Change, Kind
from gateway.store.claims import ClaimCandidate, ClaimRequest
from gateway.store.presence import PresenceChange
from gateway.store.profiles import ConsentFlag, ConsentFlags, User
from geofences.presence import Motion, Presence, Standing, Stay
from rules.model import Limit

BATCH = 500
ROUNDS = 20
IMPORTED = 100_000
HOUR_MS = 3_600_000


async def measure(store: Store, name: str, users: int, work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """CPU per user of this process and of the server, over ``work``."""
    assert store.embedded is not None
    server = psutil.Process(store.embedded.pid)
    before, began = server.cpu_times(), time.process_time()
    await work()
    spent, after = time.process_time() - began, server.cpu_times()
    redis = after.user + after.system - before.user - before.system
    return {f"{name}_us": round(spent / users * 1e6, 1), f"{name}_redis_us": round(redis / users * 1e6, 1)}


def present(at_ms: int) -> Presence:
    """Inside one store."""
    return Presence(at_ms, (Stay("store-1", 1, Standing.INSIDE, at_ms, 2, at_ms),), (), Motion(60.17, 24.94, at_ms))


def claim(user: str, push_id: str, at_ms: int) -> ClaimRequest:
    """One candidate with the limits that SEMANTICS gives by default."""
    limits = (
        Limit("user_offer", "offer", "lunch", at_ms - 168 * HOUR_MS, 1, 168 * HOUR_MS),
        Limit("user_store", "store", "store-1", at_ms - 24 * HOUR_MS, 1, 24 * HOUR_MS),
        Limit("min_gap", "any", "", at_ms - 2 * HOUR_MS, 1, 2 * HOUR_MS),
        Limit("user_cap", "any", "", at_ms - 24 * HOUR_MS, 2, 24 * HOUR_MS),
    )
    candidate = ClaimCandidate(
        push_id=push_id, offer_id="lunch", geofence_id="store-1", brand="b", limits=limits, entry=b"x" * 600
    )
    return ClaimRequest(user_id=user, at_ms=at_ms, candidates=(candidate,))


async def run() -> dict[str, float]:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(Settings(data_dir=Path(folder), redis_command_timeout_s=30))
        assert store.embedded is not None
        another = await Store.open(Settings(redis_url=store.embedded.url))
        try:
            return await hot_path(store, another) | await large_import(store)
        finally:
            await another.close()
            await store.close()


def loading(store: Store, users: Sequence[str]) -> Callable[[], Awaitable[object]]:
    """What loads the users' presences, ``ROUNDS`` times."""

    async def load() -> None:
        for _ in range(ROUNDS):
            await store.presence.load(users)

    return load


async def hot_path(store: Store, another: Store) -> dict[str, float]:
    """Presence, profiles and claims in batches of ``BATCH`` users; ``another`` worker remembers none of them."""
    at_ms = now_ms()
    users = [f"user-{number:06}" for number in range(BATCH)]
    agreed = ConsentFlag(True, at_ms, "app", "1")
    for user in users:
        await store.profiles.put_user(user, User(consent=ConsentFlags(agreed, agreed, agreed), attributes={"vip": 1}))
    figures: dict[str, float] = {}

    async def save() -> None:
        for _ in range(ROUNDS):
            held = await store.presence.load(users)
            await store.presence.save([PresenceChange(u, held[u].version, present(at_ms), at_ms) for u in users])

    async def shoppers() -> None:
        for _ in range(ROUNDS):
            await store.profiles.load_shoppers(users)

    async def claims() -> None:
        for number in range(ROUNDS):
            await store.claims.claim_many([claim(f"{u}-{number}", f"{u}-{number}", at_ms) for u in users])

    async def claims_alone() -> None:
        for user in users:
            await store.claims.claim(claim(f"{user}-alone", user, at_ms))

    await save()
    figures |= await measure(store, "load", ROUNDS * BATCH, loading(another, users))
    figures |= await measure(store, "remembered", ROUNDS * BATCH, loading(store, users))
    both = await measure(store, "save", ROUNDS * BATCH, save)
    figures |= {name: round(both[name] - figures[name.replace("save", "remembered")], 1) for name in both}
    figures |= await measure(store, "shoppers", ROUNDS * BATCH, shoppers)
    figures |= await measure(store, "claim", ROUNDS * BATCH, claims)
    return figures | await measure(store, "claim_alone", BATCH, claims_alone)


async def large_import(store: Store) -> dict[str, float]:
    """One commit of ``IMPORTED`` documents of 1.5 kB."""
    body, extra = b"x" * 900, b"y" * 600
    changes = [Change(kind=Kind.GEOFENCE, id=f"store-{n}", body=body, extra=extra) for n in range(IMPORTED)]
    await store.connection.call("CONFIG", "SET", "slowlog-log-slower-than", 1_000)
    await store.connection.call("CONFIG", "SET", "slowlog-max-len", 10_000)
    await store.connection.call("SLOWLOG", "RESET")
    began = time.monotonic()
    await store.catalog.commit(changes)
    took_s = time.monotonic() - began
    slow = await store.connection.call("SLOWLOG", "GET", 10_000)
    slowest = max((entry[2] for entry in slow), default=1_000)
    return {"commit_100k_s": round(took_s, 2), "commit_longest_ms": round(slowest / 1000, 2)}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    figures = uvloop.run(run())
    if as_json:
        print(json.dumps(figures))
        return
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)


if __name__ == "__main__":
    main()

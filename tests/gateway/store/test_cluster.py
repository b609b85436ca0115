"""The same store on a Redis Cluster of three nodes: every script and batch stays within a slot."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.clock import now_ms
from gateway.store import Store
from gateway.store.budgets import Budget
from gateway.store.catalog import Change, Kind
from gateway.store.embedded import find_server
from gateway.store.presence import PresenceChange
from tests.gateway.store.test_claims import NOW, candidate, gap, request
from tests.gateway.store.test_erasure import live
from tests.gateway.store.test_presence import inside
from tests.gateway.store.test_traffic import AT_MS, DAY_MS, DAYS, entered
from tests.patience import PATIENCE_S, patient, until

SLOTS = 16384


def free_port() -> int:
    """A port that is free with its cluster bus port, 10,000 above; both below those that outgoing connections take."""
    while True:
        port = random.randrange(20_000, 22_700)
        with socket.socket() as probe, socket.socket() as bus_probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            bus_probe.bind(("127.0.0.1", port + 10_000))
            return port


async def join(ports: list[int]) -> None:
    """Give each node a third of the slots and introduce them to each other."""
    async with contextlib.AsyncExitStack() as closing:
        nodes = [await closing.enter_async_context(Redis(port=port)) for port in ports]
        for number, node in enumerate(nodes):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    with contextlib.suppress(OSError, Exception):
                        await node.ping()
                        break
                    await asyncio.sleep(0.02)
            bounds = [SLOTS * place // len(ports) for place in (number, number + 1)]
            await node.execute_command("CLUSTER", "ADDSLOTS", *range(*bounds))
        for port in ports[1:]:
            await nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        async with asyncio.timeout(PATIENCE_S):
            for node in nodes:
                while b"cluster_state:ok" not in await node.execute_command("CLUSTER", "INFO", NEVER_DECODE=[]):
                    await asyncio.sleep(0.05)
                while len((await node.execute_command("CLUSTER", "NODES", NEVER_DECODE=[])).splitlines()) < len(ports):
                    await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ports = [free_port() for _ in range(3)]
    folders: list[Path] = [tmp_path_factory.mktemp("node") for _ in ports]
    nodes = [
        subprocess.Popen(
            [find_server(), "--port", str(port), "--dir", str(folder), "--cluster-enabled", "yes", "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        for port, folder in zip(ports, folders, strict=True)
    ]
    try:
        asyncio.run(join(ports))
        yield f"redis+cluster://127.0.0.1:{ports[0]}"
    finally:
        for node in nodes:
            node.terminate()
            node.wait()


@pytest.fixture
async def clustered(cluster_url: str) -> AsyncIterator[Store]:
    store = await Store.open(patient(redis_url=cluster_url, partitions=16))
    yield store
    await store.close()


async def test_claims_purchases_outbox_and_refunds_work_over_all_slots(clustered: Store) -> None:
    requests = [request(candidate(f"p{n}", (gap(NOW),)), user_id=f"cluster-user-{n}") for n in range(100)]
    results = await asyncio.gather(*(clustered.claims.claim(one) for one in requests))
    assert all(result.winner == 0 for result in results)
    again = await clustered.claims.claim_many(
        [request(candidate(f"q{n}", (gap(NOW),)), user_id=f"cluster-user-{n}") for n in range(100)]
    )
    assert all(result.refusals[0].rule == "min_gap" for result in again)
    bought = await clustered.outcomes.record_purchases([(f"cluster-user-{n}", NOW) for n in range(100)])
    assert [len(followed) for followed in bought] == [1] * 100
    seen = set()
    while entries := await clustered.outbox.read("a", 50, 10):
        seen.update(entry.job for entry in entries)
        await clustered.outbox.ack(entries[::2])
    assert seen == {f"p{n}".encode() for n in range(100)}
    over = [entry for _ in range(20) for entry in await clustered.outbox.take_over("b", 0)]
    assert len({entry.entry_id for entry in over}) == await clustered.outbox.depth() > 0
    await clustered.outbox.ack(over)
    assert await clustered.outbox.depth() == 0
    assert await clustered.claims.refund("cluster-user-1", "p1")


async def test_presence_is_saved_loaded_due_and_known_to_other_workers(clustered: Store, cluster_url: str) -> None:
    other = await Store.open(patient(redis_url=cluster_url, partitions=16))
    users = [f"walker-{n}" for n in range(60)]
    assert await clustered.presence.save([PresenceChange(user, 0, inside(), 5) for user in users]) == set()
    clustered.present.remembered.clear()
    held = await clustered.presence.load([*users, "stranger"])
    assert sum(one.version > 0 for one in held.values()) == 60
    await until(lambda: len(other.present) >= 60)
    assert len(await clustered.presence.due(10, 100)) == 60
    await other.close()


async def test_catalog_budgets_activity_and_statistics_work(clustered: Store) -> None:
    async with clustered.catalog.subscribe() as news:
        version = await clustered.catalog.commit(
            [Change(kind=Kind.GEOFENCE, id=f"s{n}", body=b"x") for n in range(800)]
        )
        assert await news.wait(PATIENCE_S) == version
    assert len((await clustered.catalog.load_all()).documents) == 800
    stock = Budget("stock", "cluster:stock", 30)
    limited = [request(candidate(f"b{n}", budgets=(stock,)), user_id=f"buyer-{n}") for n in range(60)]
    results = await clustered.claims.claim_many(limited)
    assert sum(result.winner == 0 for result in results) == 30
    assert await clustered.budgets.taken(["cluster:stock"]) == {"cluster:stock": 30}
    async with clustered.activity.subscribe() as feed:
        await clustered.activity.publish([{"type": "decision", "at_ms": 1}])
        assert await feed.wait(PATIENCE_S) == [{"type": "decision", "at_ms": 1}]
    clustered.statistics.count(now_ms(), "o1", "claimed")
    await clustered.statistics.flush()


async def test_a_user_is_erased_wherever_his_keys_lie(clustered: Store) -> None:
    await live(clustered, "cluster-ann")
    assert (await clustered.profiles.export("cluster-ann"))["push_outcomes"]
    assert await clustered.profiles.delete("cluster-ann")
    assert (await clustered.profiles.load_shoppers(["cluster-ann"]))["cluster-ann"].erased


async def test_traffic_of_many_geofences_is_joined_in_one_slot(clustered: Store) -> None:
    """Sketches of all geofences and days share a slot: unions over both are one command each."""
    clustered.traffic.note([entered(f"user-{number}", f"s{number % 300}") for number in range(600)], [])
    clustered.traffic.note([entered("user-0", "s0", AT_MS + DAY_MS)], [])
    await clustered.traffic.flush()
    footfall = await clustered.traffic.footfall([f"s{number}" for number in range(300)], DAYS, [DAYS])
    assert footfall.by_span[0] == pytest.approx(600, rel=0.03)
    assert footfall.by_day[1] == 1
    assert sum((await clustered.traffic.hours(DAYS))[0]) == 600
    assert await clustered.traffic.first_day(DAYS) == DAYS[0]

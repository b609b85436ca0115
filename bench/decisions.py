"""What deciding costs: 20 candidate offers with audiences, and a catalog of 50,000 offers.

``python -m bench.decisions`` prints a table, ``--json`` one object with ``decide_us_20_offers``,
``compile_s_50k`` and ``edit_live_ms``. Times are of this process's CPU, but for ``edit_live_ms``, which is from an
edit's commit in a real Redis to the snapshot that has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.catalog.live import LiveCatalog
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.catalog import Change, Kind
from geofences.model import Circle, Geofence, LatLng, Ping, Transition, TransitionKind
from geofences.transitions import Policy
from rules.evaluate import evaluate
from rules.model import Consent, Shopper
from rules.offers import Offer, decode_offer, encode_offer, parse_offer
from rules.rulebook import Rulebook

NOON_MS = 1_795_600_800_000
"""Wednesday 2026-11-25 12:00 in Helsinki."""
OFFERS_PER_STORE = 20
STORES = 2500
CALLS = 2000
EDITS = 10


def offer(number: int, store: int, name: str = "{{ user.first_name }}") -> Offer:
    """A believable offer: six clauses of audience, a weekly window, two languages; ``name`` opens its text."""
    return parse_offer(
        {
            "id": f"offer-{number}",
            "name": f"Offer {number}",
            "status": "active",
            "targets": {"geofences": [f"store-{store}"]},
            "trigger": {"type": "enter"},
            "campaign": {"start": "2026-11-01", "end": "2027-01-31"},
            "weekly": [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "10:00", "end": "20:00"}],
            "audience": (
                f"user.age >= 18 && user.age < {60 + number % 30} && user.tier in ['gold', 'silver'] "
                "&& events['viewed:shoes'].count_7d > 0 && visit.number >= 1 && user.locale.startsWith('fi')"
            ),
            "priority": number % 5,
            "messages": {
                "en": {"title": f"Sale {number}", "body": f"{name}, offer {number} until 18:00."},
                "fi": {"title": f"Ale {number}", "body": f"{name}, tarjous {number} klo 18 asti."},
            },
        }
    )


def store(number: int) -> Geofence:
    """A round store with opening hours."""
    return Geofence(
        id=f"store-{number}",
        shape=Circle(LatLng(60.17 + number * 1e-4, 24.94), 40.0),
        properties={"name": f"Store {number}", "opening_hours": "Mo-Fr 09:00-21:00; Sa 09:00-19:00; PH off"},
        area_radius_m=40.0,
    )


def shopper() -> Shopper:
    """Someone whom every audience above accepts."""
    seen = {"count": 3, "first_at_ms": NOON_MS - 10**9, "last_at_ms": NOON_MS - 10**8, "days": [[20780, 3, 0.0]]}
    return Shopper(
        user_id="ann",
        locale="fi",
        attributes={"age": 34, "tier": "gold", "first_name": "Ann", "city": "Helsinki"},
        consent=Consent(location=True, push=True, profiling=True),
        platforms=frozenset({"apns"}),
        events={"viewed:shoes": seen, "purchase": seen, "cart_abandoned": seen},
    )


def cpu_us(work: Callable[[], object], calls: int) -> float:
    """CPU microseconds of one call, the tenth percentile of many: what else runs here can only add."""
    spent = []
    for _ in range(calls):
        start = time.process_time_ns()
        work()
        spent.append(time.process_time_ns() - start)
    return sorted(spent)[calls // 10] / 1000


async def edit_live_ms(raw: list[bytes]) -> float:
    """From an edit's commit in Redis to the snapshot that has it, the median of ten; wall time."""
    with tempfile.TemporaryDirectory(prefix="geopush-bench-") as folder:
        store = await Store.open(Settings(data_dir=Path(folder)))
        try:
            changes = [Change(kind=Kind.OFFER, id=decode_offer(body).id, body=body) for body in raw]
            await store.catalog.commit(changes)
            catalog = LiveCatalog(store=store, policy=Policy.DEFAULT, metrics=Metrics())
            async with catalog.following():
                return statistics.median([await _live_after_ms(store, catalog, n) for n in range(EDITS)])
        finally:
            await store.close()


async def _live_after_ms(store: Store, catalog: LiveCatalog, number: int) -> float:
    edited = msgspec.structs.replace(offer(7, 0), name=f"Edit {number}")
    await asyncio.sleep(0.2)
    start = time.perf_counter()
    version = await store.catalog.put(Kind.OFFER, edited.id, encode_offer(edited))
    while catalog.current.version < version:  # noqa: ASYNC110 - the swap is what is measured, and it tells nobody
        await asyncio.sleep(0.001)
    return (time.perf_counter() - start) * 1000


def measure() -> dict[str, float]:
    """All figures."""
    stores = {f"store-{n}": store(n) for n in range(STORES)}
    raw = [encode_offer(offer(n, n // OFFERS_PER_STORE)) for n in range(STORES * OFFERS_PER_STORE)]
    start = time.process_time()
    rulebook = Rulebook.build([decode_offer(document) for document in raw], stores)
    compile_s = time.process_time() - start
    edited = offer(7, 0)
    edit_ms = cpu_us(lambda: rulebook.updated(put=[edited]), 100) / 1000
    live_ms = asyncio.run(edit_live_ms(raw))

    entered = Transition(
        user_id="ann", geofence_id="store-7", kind=TransitionKind.ENTER, at_ms=NOON_MS, visit_id="v", accuracy_m=10.0
    )
    ping = Ping("ann", NOON_MS, 60.1707, 24.94, 10.0)
    who = shopper()
    plain = Rulebook.build([offer(n, 7, "Hello") for n in range(OFFERS_PER_STORE)], stores)
    whole = cpu_us(lambda: evaluate(rulebook, [entered], who, NOON_MS, ping), CALLS)
    gated = cpu_us(lambda: evaluate(plain, [entered], who, NOON_MS, ping), CALLS)
    refused = Shopper(user_id="bob", consent=Consent(location=True))
    return {
        "decide_us_20_offers": round(gated, 1),
        "decide_and_render_us_20_offers": round(whole, 1),
        "refuse_us_20_offers": round(cpu_us(lambda: evaluate(rulebook, [entered], refused, NOON_MS, ping), CALLS), 1),
        "explain_us_20_offers": round(
            cpu_us(lambda: evaluate(rulebook, [entered], who, NOON_MS, ping, explain=True), 200), 1
        ),
        "compile_s_50k": round(compile_s, 2),
        "edit_ms": round(edit_ms, 2),
        "edit_live_ms": round(live_ms, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    figures = measure()
    if parser.parse_args().json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:34}{figure:>10}")


if __name__ == "__main__":
    main()

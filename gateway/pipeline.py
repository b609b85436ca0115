"""The whole path of a ping, top to bottom: locate, step, decide, claim, remember, tell.

A ping that is in no geofence, of a user who is in none, ends at the first step and costs no round trip. Claiming
comes before remembering: after a crash or a lost race the ping is stepped again and the claim refuses the twin, so
that a crash can neither spend a cooldown without a push nor send twice for one claim.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gateway.catalog.live import LiveCatalog
from gateway.catalog.snapshot import Snapshot
from gateway.counting import LiveCounters
from gateway.deciding import Moved, claim, concerned, decide, waking
from gateway.deferring import defer, resume
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.store import Store
from gateway.store.known import Known
from gateway.store.presence import PresenceChange
from gateway.store.remembered import Held
from gateway.telling import Told, tell
from geofences.model import Ping, Transition
from geofences.storefield import StoreField
from geofences.transitions import Presence, next_due_ms
from rules.model import Shopper

_log = Log("pipeline")

MAX_RACES = 5
"""Times a user is stepped again after another worker moved him first; then the ping is given up, and counted."""

WALKED_AT_ONCE = 200
"""Users stepped before others get their turn: some 3 ms, so that a large batch holds up nobody whose ping is small."""

Walk = list[tuple[Ping, tuple[str, ...], bool]]
"""One user's acting pings in time order, each with the geofences it lies in and whether it matters by where it is."""


class Pipeline:
    """The ping path of one worker."""

    def __init__(self, *, store: Store, catalog: LiveCatalog, counters: LiveCounters, metrics: Metrics) -> None:
        """The catalog's snapshot brings geofences, offers and presence policy, always of one version."""
        self._store = store
        self._catalog = catalog
        self._counters = counters
        self._metrics = metrics

    async def handle(self, pings: Sequence[Ping], received_at_ms: int) -> None:
        """Take a batch through the whole path. Raises Unavailable when Redis is needed and does not answer."""
        with self._metrics.handle_s.time():
            self._metrics.pings.inc(len(pings))
            snapshot = self._catalog.current
            walks = self._acting(snapshot, pings)
            if walks:

                def move(user_id: str, presence: Presence) -> Moved:
                    return self._walk(snapshot, presence, walks[user_id], received_at_ms)

                await self._advance(snapshot, list(walks), move, received_at_ms)

    def is_over(self, pings: Sequence[Ping]) -> bool:
        """Whether none of a few pings can change anything; then they are counted and need not be handled.

        The same question as ``handle`` asks first, without arrays: for a ping alone a tenth of the cost.
        """
        snapshot = self._catalog.current
        index, stores, is_present = snapshot.index, snapshot.stores, self._store.present.is_maybe_present
        for ping in pings:
            lat, lng = ping.lat, ping.lng
            if is_present(ping.user_id) or index.locate(lat, lng) or index.near(lat, lng) or _may_visit(stores, ping):
                return False
        self._metrics.pings.inc(len(pings))
        return True

    async def tick(self, user_ids: Sequence[str], now_ms: int) -> None:
        """Step users without a ping: what time alone brings about (dwell, silence)."""
        snapshot = self._catalog.current

        def elapse(user_id: str, presence: Presence) -> Moved:
            stepped = snapshot.tick(presence, user_id, now_ms)
            return Moved(stepped.presence, stepped.transitions, None)

        await self._advance(snapshot, list(user_ids), elapse, now_ms)

    async def resume(self, due: Sequence[tuple[str, bytes]], now_ms: int) -> None:
        """Decide what was deferred until now."""
        await resume(self._store, self._metrics, self._catalog.current, self._counters.current, due, now_ms)

    def _acting(self, snapshot: Snapshot, pings: Sequence[Ping]) -> dict[str, Walk]:
        """Pings that can change something: in a geofence or its halo, or of a user who is present somewhere."""
        count = len(pings)
        lats = np.fromiter((ping.lat for ping in pings), np.float64, count)
        lngs = np.fromiter((ping.lng for ping in pings), np.float64, count)
        is_present = self._store.present.asked_at_once()
        located = snapshot.index.locate_many(lats, lngs)
        matters = list(map(bool, located))
        for row in snapshot.index.near_any(lats, lngs):
            matters[row] = True
        if snapshot.stores is not None:
            is_near = snapshot.stores.near
            matters = [known or bool(is_near(ping.lat, ping.lng)) for known, ping in zip(matters, pings, strict=True)]
        walks: dict[str, Walk] = {}
        for ping, inside, does_matter in zip(pings, located, matters, strict=True):
            if does_matter or is_present(ping.user_id):
                walks.setdefault(ping.user_id, []).append((ping, inside, does_matter))
        for walk in walks.values():
            if len(walk) > 1:
                walk.sort(key=lambda fix: fix[0].at_ms)
        return walks

    def _walk(self, snapshot: Snapshot, presence: Presence, walk: Walk, now_ms: int) -> Moved:
        """One user through his pings: pure but for the counters of what was ignored.

        Only possibly present users' pings from far away come here; if the presence says he was nowhere, they end too.
        """
        transitions: list[Transition] = []
        last: Ping | None = None
        for ping, inside, matters in walk:
            if not matters and not presence.is_present:
                continue
            stepped = snapshot.step(presence, inside, ping, now_ms)
            presence = stepped.presence
            transitions.extend(stepped.transitions)
            if stepped.ignored is None:
                last = ping
            else:
                self._metrics.pings_ignored.labels(stepped.ignored).inc()
        return Moved(presence, tuple(transitions), last)

    async def _advance(
        self, snapshot: Snapshot, users: list[str], move: Callable[[str, Presence], Moved], now_ms: int
    ) -> None:
        """Load, move, decide, claim and save, and again those whom another worker moved meanwhile."""
        for _ in range(MAX_RACES):
            held = await self._store.presence.load(users)
            moved: dict[str, Moved] = {}
            for place, user in enumerate(users, 1):
                moved[user] = move(user, held[user].presence)
                if place % WALKED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            wakes = waking(snapshot, moved)
            known, shoppers, outdated = await self._asked(moved, wakes, held)
            for user in outdated:
                del moved[user], wakes[user]
            decisions = decide(snapshot, wakes, shoppers, moved, self._counters.current, now_ms)
            await defer(self._store, decisions)
            claims = await claim(self._store, decisions, now_ms)
            lost = await self._store.presence.save(
                [
                    PresenceChange(user, held[user].version, m.presence, next_due_ms(m.presence, snapshot.policy))
                    for user, m in moved.items()
                    if m.presence is not held[user].presence
                ]
            )
            won = {user: m for user, m in moved.items() if user not in lost}
            lost |= outdated
            await tell(self._store, self._metrics, Told(snapshot, won, decisions, claims, now_ms, known))
            if not lost:
                return
            self._metrics.presence_conflicts.inc(len(lost))
            users = list(lost)
        _log.warning("pings given up after losing every race", users=len(users))

    async def _asked(
        self, moved: Mapping[str, Moved], wakes: Mapping[str, object], held: Mapping[str, Held]
    ) -> tuple[Mapping[str, Known], dict[str, Shopper], set[str]]:
        """What is known of who entered or is woken, the woken as decisions see them, and those who moved meanwhile."""
        asked = concerned(moved, wakes)
        if not asked:
            return {}, {}, set()
        known, outdated = await asyncio.gather(
            self._store.profiles.load_known(asked),
            self._store.presence.outdated({user: held[user] for user in wakes}),
        )
        return known, await self._store.profiles.load_shoppers(list(wakes), known), outdated


def _may_visit(stores: StoreField | None, ping: Ping) -> bool:
    """Whether visits are attributed and a store is near enough for this fix to belong to one."""
    return stores is not None and bool(stores.near(ping.lat, ping.lng))

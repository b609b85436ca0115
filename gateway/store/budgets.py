"""Counters that belong to an offer, not to a user: total cap, pacing by the hour, stock.

A budget lives in a slot of its own. Each partition takes a share of it, its lease, and the claim spends the lease, so
that one script still decides everything. ``lua/grant.lua`` says why no message lost, repeated or late can let more
units out than there are. What is left in leases when the budget runs dry is called back and granted again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.store import keys
from gateway.store.connection import Arg, Connection, settled
from gateway.store.scripts import ACCEPT_GRANT, GRANT, RELEASE_LEASE

SHARE: Final = 50
"""A grant is at least one fiftieth of what is left: few round trips, and little lies idle in quiet partitions."""
FIRST_RECHECK_S: Final = 0.5
LAST_RECHECK_S: Final = 30.0
"""A budget found spent is looked at again after the first, then after twice as long each time, up to the last."""
HOUR_MS: Final = 3_600_000
_LEASE_MARGIN_MS: Final = 48 * HOUR_MS
"""A lease must outlive its budget's counters, or what it received would be granted anew."""


class Budget(msgspec.Struct, frozen=True):
    """At most ``limit`` claims together; ``rule`` names the refusal. ``kept_ms`` 0 keeps the counters forever."""

    rule: str
    budget_id: str
    limit: int
    kept_ms: int = 0


def budgets_of(
    offer_id: str, at_ms: int, *, total_cap: int | None, stock: int | None, max_per_hour: int | None
) -> tuple[Budget, ...]:
    """An offer's budgets at an instant. ``stock`` is all there is to give; hours are those of UTC."""
    budgets: list[Budget] = []
    if total_cap is not None:
        budgets.append(Budget("total_cap", f"{offer_id}:total", total_cap))
    if stock is not None:
        budgets.append(Budget("stock", f"{offer_id}:stock", stock))
    if max_per_hour is not None:
        budgets.append(Budget("max_per_hour", f"{offer_id}:hour:{at_ms // HOUR_MS}", max_per_hour, 2 * HOUR_MS))
    return tuple(budgets)


class Recheck:
    """Remembers what was found spent, so that a worker does not ask again with every claim."""

    def __init__(self, first_s: float = FIRST_RECHECK_S) -> None:
        self._first_s = first_s
        self._until: dict[str, tuple[float, float]] = {}

    def is_spent(self, name: str) -> bool:
        """Whether it was found spent a short while ago."""
        found = self._until.get(name)
        return found is not None and time.monotonic() < found[0]

    def spent(self, name: str) -> None:
        """Note that nothing is left, for twice as long as the last time."""
        _, last_s = self._until.get(name, (0.0, self._first_s / 2))
        pause_s = min(2 * last_s, LAST_RECHECK_S)
        if len(self._until) > 10_000:
            self._until.clear()
        self._until[name] = (time.monotonic() + pause_s, pause_s)

    def found(self, name: str) -> None:
        """Note that something is left."""
        self._until.pop(name, None)


class Budgets:
    """Fills leases, calls them back, and counts."""

    def __init__(self, connection: Connection, partitions: int, *, recheck_s: float = FIRST_RECHECK_S) -> None:
        self._connection = connection
        self._partitions = range(partitions)
        self._recheck = Recheck(recheck_s)

    def is_spent(self, budget: Budget) -> bool:
        """Whether this worker has just seen that nothing is left."""
        return self._recheck.is_spent(_name(budget))

    async def fill(self, budget: Budget, wants: Mapping[int, int]) -> bool:
        """Put units into the leases of partitions that want some; False if there are none anywhere.

        Other leases are called back only when no partition got any, so that what was just granted is claimed first.
        Raises Unavailable.
        """
        if await self._grant_all(budget, wants):
            self._recheck.found(_name(budget))
            return True
        if await self.recall(budget) > 0 and await self._grant_all(budget, wants):
            return True
        self._recheck.spent(_name(budget))
        return False

    async def recall(self, budget: Budget) -> int:
        """Call back what all leases hold; answers what may then be granted. For when an offer ends, or runs dry."""
        left, on_their_way = await self._book(budget, await self._release(budget, self._partitions))
        if on_their_way:
            await self._connection.run_many(
                ACCEPT_GRANT,
                [
                    ([keys.lease(partition, budget.budget_id)], [granted, _lease_ms(budget)])
                    for partition, granted in on_their_way.items()
                ],
            )
            left, _ = await self._book(budget, await self._release(budget, list(on_their_way)))
        return left

    async def taken(self, budget_ids: Iterable[str]) -> dict[str, int]:
        """How many units of each budget are claimed and not refunded, as of now (not one instant for all)."""
        wanted = list(budget_ids)
        outs = await self._connection.batch([("HGET", keys.budget(one), "out") for one in wanted])
        leases = await self._connection.mget([keys.lease(p, one) for one in wanted for p in self._partitions])
        count = len(self._partitions)
        held = [0 if lease is None else _decode_lease(lease)[2] for lease in leases]
        return {
            one: max(0, int(out or 0) - sum(held[place * count : (place + 1) * count]))
            for place, (one, out) in enumerate(zip(wanted, outs, strict=True))
        }

    async def forget(self, budget_id: str) -> None:
        """Remove a budget with all that was counted: when its offer is deleted."""
        await self._connection.batch(
            [("DEL", keys.budget(budget_id)), *(("DEL", keys.lease(p, budget_id)) for p in self._partitions)]
        )

    async def _grant_all(self, budget: Budget, wants: Mapping[int, int]) -> bool:
        return any(await settled(self._grant(partition, budget, want) for partition, want in wants.items()))

    async def _grant(self, partition: int, budget: Budget, want: int) -> bool:
        lease_key = keys.lease(partition, budget.budget_id)
        stored = await self._connection.call("GET", lease_key)
        received, returned, held = (0, 0, 0) if stored is None else _decode_lease(stored)
        if held >= want:
            return True
        _, granted, _ = await self._connection.run(
            GRANT,
            [keys.budget(budget.budget_id)],
            [budget.limit, want, SHARE, budget.kept_ms, partition, received, returned],
        )
        if granted <= received:
            return held > 0
        return bool(await self._connection.run(ACCEPT_GRANT, [lease_key], [granted, _lease_ms(budget)]))

    async def _release(self, budget: Budget, partitions: Sequence[int]) -> dict[int, Sequence[int]]:
        replies = await self._connection.run_many(
            RELEASE_LEASE, [([keys.lease(partition, budget.budget_id)], []) for partition in partitions]
        )
        return dict(zip(partitions, replies, strict=True))

    async def _book(self, budget: Budget, totals: Mapping[int, Sequence[int]]) -> tuple[int, dict[int, int]]:
        args: list[Arg] = [budget.limit, 0, SHARE, budget.kept_ms]
        for partition, (received, returned) in totals.items():
            args += (partition, received, returned)
        left, _, on_their_way = await self._connection.run(GRANT, [keys.budget(budget.budget_id)], args)
        pairs = iter(on_their_way)
        return left, dict(zip(pairs, pairs, strict=True))


_decode_lease = msgspec.msgpack.Decoder(tuple[int, int, int]).decode


def _lease_ms(budget: Budget) -> int:
    return budget.kept_ms + _LEASE_MARGIN_MS if budget.kept_ms else 0


def _name(budget: Budget) -> str:
    return f"{budget.budget_id}\x00{budget.limit}"

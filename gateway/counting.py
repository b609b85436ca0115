"""How much of each offer is taken and left, for texts and audiences that say so; a second old at most.

Kept apart from the claim, which alone decides whether something is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.catalog.live import LiveCatalog
from gateway.store import Store
from gateway.store.budgets import Budget, budgets_of
from rules.rulebook import Rulebook
from rules.situation import Counters


class LiveCounters:
    """``current`` holds ``taken`` and ``left`` of the live offers that name them."""

    def __init__(self, store: Store, catalog: LiveCatalog) -> None:
        """Nothing is known before the first ``refresh``."""
        self._store = store
        self._catalog = catalog
        self.current: Counters = {}

    async def refresh(self) -> None:
        """Read the counters again. Raises Unavailable."""
        self.current = await read_counters(self._store, self._catalog.current.rulebook)


async def read_counters(store: Store, rulebook: Rulebook) -> Counters:
    """The counters of the rulebook's live offers that name them, as of now. Raises Unavailable."""
    budgets = {offer_id: _budgets(rulebook, offer_id) for offer_id in rulebook.counted()}
    taken = await store.budgets.taken([budget.budget_id for some in budgets.values() for budget in some])
    return {offer_id: counters_of(some, taken) for offer_id, some in budgets.items() if some}


def counters_of(budgets: Iterable[Budget], taken: Mapping[str, int]) -> dict[str, int]:
    """``taken`` and ``left`` of one offer, by what is taken of each of its budgets (at least one)."""
    limits = [(budget.limit, taken.get(budget.budget_id, 0)) for budget in budgets]
    return {"taken": max(out for _, out in limits), "left": max(0, min(limit - out for limit, out in limits))}


def _budgets(rulebook: Rulebook, offer_id: str) -> tuple[Budget, ...]:
    offer = rulebook.get(offer_id)
    if offer is None:
        return ()
    return budgets_of(offer_id, 0, total_cap=offer.total_cap, stock=offer.stock, max_per_hour=None)

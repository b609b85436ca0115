"""How much of each offer is taken and left, for texts and audiences that say so; a second old at most.

Kept apart from the claim, which alone decides whether something is left.
"""

from __future__ import annotations

from gateway.catalog.live import LiveCatalog
from gateway.store import Store
from gateway.store.budgets import budgets_of
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
        rulebook = self._catalog.current.rulebook
        offers = [offer for offer_id in rulebook.counted() if (offer := rulebook.get(offer_id)) is not None]
        budgets = {
            offer.id: budgets_of(offer.id, 0, total_cap=offer.total_cap, stock=offer.stock, max_per_hour=None)
            for offer in offers
        }
        taken = await self._store.budgets.taken([budget.budget_id for some in budgets.values() for budget in some])
        self.current = {
            offer_id: {
                "taken": max(taken[budget.budget_id] for budget in some),
                "left": max(0, min(budget.limit - taken[budget.budget_id] for budget in some)),
            }
            for offer_id, some in budgets.items()
            if some
        }

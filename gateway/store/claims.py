"""The claim: cooldowns, caps, budgets and a code are taken together with the outbox entry, in one Lua script.

Claims of a batch share one script call per partition. ``rules.pressure`` is the pure twin of what the script counts of
a user's past. Where a partition's lease of a budget or of codes is empty, the script decides nothing, the lease is
filled, and the claim asked again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gateway.store import keys
from gateway.store.budgets import Budget, Budgets
from gateway.store.claiming import (
    LACKING,
    ClaimCandidate,
    ClaimRequest,
    ClaimResult,
    Refusal,
    ScriptCall,
    Source,
    decode_answers,
    past_pushes,
    result_of,
)
from gateway.store.codes import CodePools
from gateway.store.connection import Connection, settled
from gateway.store.scripts import CLAIM, REFUND

__all__ = ["Budget", "ClaimCandidate", "ClaimRequest", "ClaimResult", "Claims", "Refusal", "past_pushes"]

MAX_USERS_PER_CALL: Final = 64
"""Users one script call decides: it holds the server for about a millisecond."""
MAX_FILLS: Final = 10
"""Times a claim is asked again after filling leases that others then emptied; then those count as spent."""
_NOTHING: Final = ClaimResult(None, ())


class Claims:
    """Takes and refunds claims."""

    def __init__(self, connection: Connection, partitions: int, budgets: Budgets, codes: CodePools) -> None:
        self._connection = connection
        self._partitions = partitions
        self._budgets = budgets
        self._codes = codes

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        """Claim one user's best allowed candidate. Raises Unavailable."""
        [result] = await self.claim_many([request])
        return result

    async def claim_many(self, requests: Sequence[ClaimRequest]) -> list[ClaimResult]:
        """Claim for many users: one script call per partition where no lease has to be filled. Raises Unavailable."""
        results: list[ClaimResult] = [_NOTHING] * len(requests)
        pending: Sequence[int] = range(len(requests))
        for attempt in range(MAX_FILLS + 1):
            calls = [
                ScriptCall(partition, places, requests, self._is_spent if attempt < MAX_FILLS else _always)
                for partition, places in self._by_partition(requests, pending)
            ]
            replies = await self._connection.run_many(CLAIM, [(call.keys, call.args) for call in calls])
            lacking: defaultdict[Source, Counter[int]] = defaultdict(Counter)
            pending = []
            for call, reply in zip(calls, replies, strict=True):
                for place, (winner, refusals, indexes) in zip(call.places, decode_answers(reply), strict=True):
                    if winner == LACKING:
                        pending.append(place)
                        for index in indexes:
                            lacking[call.source(index)][call.partition] += 1
                    else:
                        results[place] = result_of(winner, refusals)
            if not pending:
                break
            await settled(self._fill(source, wants) for source, wants in lacking.items())
        return results

    async def refund(self, user_id: str, push_id: str) -> bool:
        """Take a claim back, because its push failed for good; False if it was not there (any more)."""
        partition = keys.partition_of(user_id, self._partitions)
        prefixes = keys.lease(partition, ""), keys.code_lease(partition, "")
        return bool(await self._connection.run(REFUND, [keys.pushes(partition, user_id)], [push_id, *prefixes]))

    def _by_partition(
        self, requests: Sequence[ClaimRequest], places: Sequence[int]
    ) -> Iterator[tuple[int, Sequence[int]]]:
        groups: dict[int, list[int]] = {}
        for place in places:
            groups.setdefault(keys.partition_of(requests[place].user_id, self._partitions), []).append(place)
        for partition, group in groups.items():
            for start in range(0, len(group), MAX_USERS_PER_CALL):
                yield partition, group[start : start + MAX_USERS_PER_CALL]

    def _is_spent(self, source: Source) -> bool:
        return self._codes.is_spent(source) if isinstance(source, str) else self._budgets.is_spent(source)

    async def _fill(self, source: Source, wants: Mapping[int, int]) -> None:
        if isinstance(source, str):
            await self._codes.fill(source, wants)
        else:
            await self._budgets.fill(source, wants)


def _always(_source: Source) -> bool:
    return True

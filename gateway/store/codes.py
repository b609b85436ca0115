"""Pools of unique codes: each code goes out with at most one push at a time.

A pool lives in a slot of its own and lends codes to partitions, as ``budgets`` grants units; the claim draws one and
writes it into the outbox entry. The code of a push that was refunded may be drawn again: nobody has seen it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.errors import InvalidDocument
from gateway.store import keys
from gateway.store.budgets import FIRST_RECHECK_S, Recheck
from gateway.store.connection import Connection, settled
from gateway.store.scripts import ACCEPT_CODES, ADD_CODES, LEND_CODES, RELEASE_CODES

LENT_AT_ONCE: Final = 50
"""Codes of one batch: some kilobytes in a lease, and a round trip for every fiftieth push."""
CODES_PER_CALL: Final = 5_000
"""Codes uploaded by one script call: some milliseconds of the server's time."""
SHOWN_FAULTS: Final = 100
CODE: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")
"""What a code may be: unreserved characters (RFC 3986), which need no escaping in a text, a link or JSON."""


class PoolCounts(msgspec.Struct, frozen=True):
    """Codes of a pool: ever put in, free, and drawn by pushes that were not refunded."""

    known: int
    free: int
    drawn: int


class CodePools:
    """Fills pools, lends from them, and counts."""

    def __init__(self, connection: Connection, partitions: int, *, recheck_s: float = FIRST_RECHECK_S) -> None:
        self._connection = connection
        self._partitions = range(partitions)
        self._recheck = Recheck(recheck_s)

    async def add(self, pool: str, codes: Sequence[str]) -> int:
        """Put codes into a pool; answers how many were new. Raises InvalidDocument, with each fault, before any is put.

        A code that was ever in the pool, drawn or not, is not put in again.
        """
        starts = range(0, len(codes), CODES_PER_CALL)
        faults: list[dict[str, Any]] = []
        for start in starts:
            faults += _faults(codes[start : start + CODES_PER_CALL], start)
            await asyncio.sleep(0)  # a million codes must not hold the event loop
        if faults:
            raise InvalidDocument(f"{len(faults)} of {len(codes)} codes cannot be used", errors=faults[:SHOWN_FAULTS])
        added = 0
        for start in starts:
            chunk = codes[start : start + CODES_PER_CALL]
            added += await self._connection.run(ADD_CODES, [keys.known_codes(pool), keys.free_codes(pool)], chunk)
        self._recheck.found(pool)
        return added

    async def counts(self, pool: str) -> PoolCounts:
        """How the pool stands, as of now."""
        known, free = await self._connection.batch([("SCARD", keys.known_codes(pool)), ("LLEN", keys.free_codes(pool))])
        lent = await self._connection.call("HGETALL", keys.lent_codes(pool))
        leases = [
            (0, 0, [], []) if stored is None else _decode_lease(stored)
            for stored in await self._connection.mget([keys.code_lease(p, pool) for p in self._partitions])
        ]
        held = 0
        for partition, (batch, returns, codes, returning) in enumerate(leases):
            held += len(codes)
            if int(lent.get(b"r:%d" % partition, 0)) < returns:
                held += len(returning)
            if int(lent.get(b"b:%d" % partition, 0)) > batch:
                held += len(_decode_codes(lent[b"c:%d" % partition]))
        return PoolCounts(known=known, free=free + held, drawn=known - free - held)

    def is_spent(self, pool: str) -> bool:
        """Whether this worker has just seen that no code is left."""
        return self._recheck.is_spent(pool)

    async def fill(self, pool: str, wants: Mapping[int, int]) -> bool:
        """Put codes into the leases of partitions that want some; False if there are none anywhere.

        Other leases are called back only when no partition got any. Raises Unavailable.
        """
        if await self._lend_all(pool, wants):
            self._recheck.found(pool)
            return True
        await self.recall(pool)
        if await self._lend_all(pool, wants):
            return True
        self._recheck.spent(pool)
        return False

    async def recall(self, pool: str) -> None:
        """Call back what all leases hold: for when an offer ends, or the pool runs dry."""
        await self._return(pool, self._partitions)
        lent = await self._connection.call("HGETALL", keys.lent_codes(pool))
        on_their_way = [p for p in self._partitions if b"c:%d" % p in lent]
        await self._connection.run_many(
            ACCEPT_CODES,
            [([keys.code_lease(p, pool)], [int(lent[b"b:%d" % p]), lent[b"c:%d" % p]]) for p in on_their_way],
        )
        if on_their_way:
            await self._return(pool, on_their_way)

    async def _return(self, pool: str, partitions: Iterable[int]) -> None:
        leases = [keys.code_lease(p, pool) for p in partitions]
        replies = await self._connection.run_many(RELEASE_CODES, [([lease], [0, 1]) for lease in leases])
        full = [
            (partition, lease, reply)
            for partition, lease, reply in zip(partitions, leases, replies, strict=True)
            if reply[2]
        ]
        await self._connection.run_many(
            LEND_CODES,
            [
                ([keys.free_codes(pool), keys.lent_codes(pool)], [0, partition, batch, returns, codes])
                for partition, _, (batch, returns, codes) in full
            ],
        )
        await self._connection.run_many(RELEASE_CODES, [([lease], [reply[1], 0]) for _, lease, reply in full])

    async def _lend_all(self, pool: str, wants: Mapping[int, int]) -> bool:
        return any(await settled(self._lend(partition, pool, want) for partition, want in wants.items()))

    async def _lend(self, partition: int, pool: str, want: int) -> bool:
        lease = keys.code_lease(partition, pool)
        stored = await self._connection.call("GET", lease)
        batch, returns, codes, returning = (0, 0, [], []) if stored is None else _decode_lease(stored)
        if len(codes) >= want:
            return True
        number, packed = await self._connection.run(
            LEND_CODES,
            [keys.free_codes(pool), keys.lent_codes(pool)],
            [max(want, LENT_AT_ONCE), partition, batch, returns, _encode(returning) if returning else b""],
        )
        if number <= batch:
            return bool(codes)
        return bool(await self._connection.run(ACCEPT_CODES, [lease], [number, packed]))


def _faults(codes: Sequence[str], first: int) -> Iterator[dict[str, Any]]:
    for place, code in enumerate(codes, first):
        if CODE.fullmatch(code) is None:
            yield {"index": place, "code": "bad_code", "detail": "1 to 64 of letters, digits, - . _ ~"}


_encode = msgspec.msgpack.Encoder().encode
_decode_lease = msgspec.msgpack.Decoder(tuple[int, int, list[str], list[str]]).decode
_decode_codes = msgspec.msgpack.Decoder(list[str]).decode

"""Each worker's copy of who is present somewhere, so that pings that change nothing need not ask Redis.

Loaded at start, then fed by what every worker's saves publish. While the copy may be behind (at start, and from losing
the connection until loaded anew) everybody counts as possibly present: slower, never wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.errors import Unavailable
from gateway.logs import Log
from gateway.store import keys
from gateway.store.connection import Connection, Subscription
from gateway.store.remembered import Remembered
from gateway.store.underway import NewsUnderway

RETRY_S: Final = 0.5
WAIT_S: Final = 2.0
"""Silence after which a worker says something itself; if not even that comes back, the connection is dead."""
NO_NEWS: Final = b"\x91\xa0"
"""News of nobody from nowhere: a MessagePack list that holds the empty origin."""
SCAN_COUNT: Final = 1000

_log = Log("store")
_decode_news = msgspec.msgpack.Decoder(list[str | bool]).decode


class PresentUsers:
    """Who is in, entering or leaving some geofence, and in which coarse cell (H3, resolution 9; 0 unknown)."""

    def __init__(self, connection: Connection, partitions: int, shared_dir: Path | None = None) -> None:
        """``shared_dir`` is where the workers of one host count their news under way; None for one worker."""
        self._connection = connection
        self._partitions = partitions
        self._underway = NewsUnderway(shared_dir)
        self.remembered = Remembered(shared_dir, self._underway.region)
        """What this worker saved of users who are present."""
        self._cells: dict[str, int] = {}
        self._is_current = False
        self._follower: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many users are present, as far as this worker knows."""
        return len(self._cells)

    def is_maybe_present(self, user_id: str) -> bool:
        """Whether the user's presence must be asked for even where he is in no geofence now."""
        return user_id in self._cells or not self._is_current or self._underway.is_awaited(user_id)

    def asked_at_once(self) -> Callable[[str], bool]:
        """``is_maybe_present`` for many users, cheaper; right until the caller awaits something."""
        if self._is_current and not self._underway.is_any_awaited():
            return self._cells.__contains__
        return self.is_maybe_present

    @property
    def origin(self) -> str:
        """Names this worker in the news that its saves publish."""
        return self._underway.origin

    def cells(self) -> Counter[int]:
        """Users present per cell, those without a known cell left out."""
        return Counter(cell for cell in self._cells.values() if cell)

    def expected(self, are_present: Mapping[str, bool]) -> set[str]:
        """Of whom it is news that he is saved so; it must be published, and until it is heard everybody asks for him.

        Leaving is news too: who comes back at once must not look absent between the two messages.
        """
        cells, underway = self._cells, self._underway
        news = {user_id for user_id, is_present in are_present.items() if is_present != (user_id in cells)}
        if underway.is_any_awaited():
            news.update(filter(underway.is_awaited, are_present))
        for user_id in news:
            underway.expect(user_id)
        return news

    async def start(self) -> None:
        """Load, then follow. Raises Unavailable."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._follower = asyncio.create_task(self._follow(started), name="present users follower")
        await started

    async def stop(self) -> None:
        """Stop following; everybody counts as possibly present from now on."""
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
        self._underway.close()

    async def _follow(self, started: asyncio.Future[None]) -> None:
        while True:
            try:
                async with self._connection.subscribe(keys.PRESENT_NEWS) as subscription:
                    await self._load()
                    self._is_current = True
                    if not started.done():
                        started.set_result(None)
                    await self._listen(subscription)
            except Unavailable as error:
                if not started.done():
                    started.set_exception(error)
                    return
                _log.warning("the copy of who is present is behind", detail=error.detail)
            finally:
                self._is_current = False
                self.remembered.clear()
            await asyncio.sleep(RETRY_S)

    async def _load(self) -> None:
        """Read every partition's set; news that came meanwhile wait in the subscription and are applied after."""
        cells: dict[str, int] = {}
        for partition in range(self._partitions):
            cursor: int | bytes = b"0"
            while True:
                cursor, page = await self._connection.call(
                    "HSCAN", keys.present(partition), cursor, "COUNT", SCAN_COUNT
                )
                cells |= {user_id.decode(): int(cell or b"0", 16) for user_id, cell in page.items()}
                if int(cursor) == 0:
                    break
        self._cells = cells

    async def _listen(self, subscription: Subscription) -> None:
        while True:
            self._underway.heal()
            message = await subscription.wait(WAIT_S)
            if message is None:
                await self._connection.call("PUBLISH", keys.PRESENT_NEWS, NO_NEWS)
                message = await subscription.wait(WAIT_S)
            if message is None:
                raise Unavailable("a connection that should bring news of who is present brings nothing")
            self._hear(message)

    def _hear(self, message: bytes) -> None:
        """Take news as ``save_presence.lua`` publishes them."""
        news = iter(_decode_news(message))
        origin = str(next(news))
        for user_id, cell, is_expected in zip(news, news, news, strict=True):
            if cell is False:
                self._cells.pop(str(user_id), None)
                self.remembered.forget(str(user_id))
            else:
                self._cells[str(user_id)] = int(str(cell) or "0", 16)
            if is_expected:
                self._underway.heard(origin, str(user_id))

"""The side of an import's process that the gateway sees: a file in, frames out, nothing left behind."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import AsyncGenerator
from typing import Any, cast

import msgspec

from gateway.errors import Unavailable
from gateway.importing.worker import Task


async def frames_of(task: Task, body: bytes) -> AsyncGenerator[list[Any], None]:
    """The worker's frames, read while it works. Raises Unavailable when it dies."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.importing.worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    source, sink = cast(asyncio.StreamReader, process.stdout), cast(asyncio.StreamWriter, process.stdin)
    feeding = asyncio.create_task(_feed(sink, msgspec.json.encode(task) + b"\n", body))
    try:
        while head := await source.read(4):
            rest = await source.readexactly(struct.unpack("!I", head)[0]) if len(head) == 4 else b""
            yield msgspec.msgpack.decode(rest)
        if await process.wait():
            raise Unavailable("the import's process ended too early; try again with a smaller file")
    except asyncio.IncompleteReadError:
        raise Unavailable("the import's process ended too early; try again with a smaller file") from None
    finally:
        feeding.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _feed(sink: asyncio.StreamWriter, task: bytes, body: bytes) -> None:
    sink.write(task)
    for start in range(0, len(body), 1 << 20):
        sink.write(body[start : start + (1 << 20)])
        await sink.drain()
    sink.close()

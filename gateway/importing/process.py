"""The side of an import's process that the gateway sees: a file in, frames out, nothing left behind.

The process gets nothing but the file: no settings, no secrets of the environment, a folder of its own to work in.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final, cast

import msgspec

import gateway
from gateway.errors import Unavailable
from gateway.importing.worker import Task

_PACKAGES: Final = Path(gateway.__file__ or "").parents[1]
_CHUNK: Final = 1 << 16


async def frames_of(task: Task, body: bytes) -> AsyncGenerator[list[Any], None]:
    """The worker's frames, read while it works. Raises Unavailable when it dies."""
    with tempfile.TemporaryDirectory(prefix="geopush-import-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.importing.worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=folder, env=_environment(folder),
        )  # fmt: skip
        source, sink = cast(asyncio.StreamReader, process.stdout), cast(asyncio.StreamWriter, process.stdin)
        feeding = asyncio.create_task(_feed(sink, msgspec.json.encode(task) + b"\n", body))
        del body
        try:
            while head := await source.read(4):
                if len(head) < 4:
                    head += await source.readexactly(4 - len(head))
                yield msgspec.msgpack.decode(await source.readexactly(struct.unpack("!I", head)[0]))
            if status := await process.wait():
                raise _ended(status, task)
        except asyncio.IncompleteReadError:
            raise _ended(await process.wait(), task) from None
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            if process.returncode is None:
                process.kill()
                await process.wait()


def _environment(folder: str) -> dict[str, str]:
    """What Python needs, and that no library starts threads or goes to the network."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(_PACKAGES),
        "PYTHONUTF8": "1",
        "TMPDIR": folder,
        "HOME": folder,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PROJ_NETWORK": "OFF",
    }


def _ended(status: int, task: Task) -> Unavailable:
    if status in {-signal.SIGXCPU, -signal.SIGKILL}:
        return Unavailable(f"the file took more than {task.cpu_s} s of computing or too much memory; send it in parts")
    return Unavailable("the import's process ended too early; the gateway's log may tell why")


async def _feed(sink: asyncio.StreamWriter, task: bytes, body: bytes) -> None:
    """Hand over the file in small parts: the event loop has other work."""
    try:
        sink.write(task)
        view = memoryview(body)
        for start in range(0, len(body), _CHUNK):
            sink.write(view[start : start + _CHUNK])
            await sink.drain()
        sink.close()
    except ConnectionError:  # it ended before it had read the file; how, its status tells
        sink.close()

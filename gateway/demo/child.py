"""The demo's gateway: ``geopush serve`` as a child process on a data directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import Unavailable
from gateway.settings import ENVIRONMENT_PREFIX

START_S = 120.0
"""Longest that a start may take, on a slow and busy machine."""
STOP_S = 15.0
"""Longest that an orderly stop may take before the child is ended."""


@dataclass(frozen=True, slots=True)
class Child:
    """A gateway that answers at ``url``; ``announcement`` is what it said, without the key.

    ``sandbox_url`` is where its sandbox shows what arrived.
    """

    url: str
    admin_key: str
    announcement: str
    sandbox_url: str = ""


@contextlib.asynccontextmanager
async def serving(data_dir: Path, port: int, settings: dict[str, str]) -> AsyncIterator[Child]:
    """Start the gateway, yield it once it is ready to serve, and stop it in order.

    The caller's own settings in the environment are kept from it: the demo never sends to a real provider.
    Raises Unavailable, with what the gateway said, when it does not come up.
    """
    command = [sys.executable, "-m", "gateway", "serve", "--ends-with-stdin"]
    command += ["--port", str(port), "--data-dir", str(data_dir)]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=asyncio.subprocess.PIPE,  # closes when the demo dies, however it dies, and with it the gateway stops
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches the demo alone, which then stops the gateway in order
    )
    try:
        yield await _announced(process)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.communicate(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _announced(process: asyncio.subprocess.Process) -> Child:
    """Read the start-up lines up to the admin key, which a new data directory always brings."""
    lines: list[str] = []
    url = sandbox_url = ""
    try:
        async with asyncio.timeout(START_S):
            while line := (await process.stdout.readline()).decode() if process.stdout else "":
                if found := re.search(r"listens on (\S+)", line):
                    url = found[1]
                if found := re.search(r"see (\S+)/sandbox/pushes", line):
                    sandbox_url = found[1]
                if found := re.search(r"admin key\s+(\S+)", line):
                    return Child(url, found[1], "".join(lines), sandbox_url)
                lines.append(line)
    except TimeoutError:
        pass
    said = "".join(lines).strip() or "nothing but what stands above"
    raise Unavailable(f"the gateway did not start; it said: {said}")


def free_port(wanted: int) -> int:
    """``wanted`` if nothing listens there on loopback, else a port that the system gives."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise Unavailable("no free TCP port on the loopback address")

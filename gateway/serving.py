"""A gateway as a process: its event loop, its signals, and what it says on the terminal when it is ready."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

from gateway import app, logs
from gateway.errors import ConfigError
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.store import Store


def serve(settings: Settings) -> int:
    """Run a gateway until SIGTERM or SIGINT; returns the exit status. Raises what ``app.running`` raises."""
    logs.configure(settings.log_level)
    return uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    stop = stop_on_signals()
    async with app.running(settings) as gateway:
        _announce(gateway)
        await stop.wait()
    return 0


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


def _announce(gateway: app.Gateway) -> None:
    say = sys.stdout.write
    say(f"geopush listens on {gateway.url}\n")
    say(f"  console   {gateway.url}/console/\n")
    for channel, state in gateway.channels.items():
        say(f"  {channel:<9} {state}\n")
    if gateway.new_admin_key is not None:
        say(f"  admin key {gateway.new_admin_key}\n            shown this once; only its hash is kept\n")
    sys.stdout.flush()


def serve_sender(settings: Settings) -> int:
    """Run a sender without HTTP until SIGTERM or SIGINT. Raises what ``app.running`` raises."""
    logs.configure(settings.log_level)
    return uvloop.run(_serve_sender(settings))


async def _serve_sender(settings: Settings) -> int:
    if settings.redis_url is None:
        raise ConfigError("a sender alone needs the gateway's Redis: give --redis redis://...")
    stop = stop_on_signals()
    store = await Store.open(settings)
    try:
        async with app.sending(settings, store, Metrics()) as providers:
            for channel, state in providers.states.items():
                sys.stdout.write(f"  {channel:<9} {state}\n")
            sys.stdout.flush()
            await stop.wait()
    finally:
        await store.close()
    return 0

"""``python -m gateway.delivery.sandbox``: runs until SIGTERM, or until its parent is gone."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from gateway.delivery.sandbox.server import Sandbox


async def run(directory: Path, port: int, pages_port: int, *, ends_with_stdin: bool) -> None:
    """Prints one JSON line of addresses when ready, and serves until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    sandbox = Sandbox(directory)
    await sandbox.start(port, pages_port)
    sys.stdout.write(json.dumps(sandbox.addresses) + "\n")
    sys.stdout.flush()
    if ends_with_stdin:  # the pipe closes when the parent dies, however it dies
        loop.add_reader(sys.stdin.fileno(), _set_at_end_of_input, stop)
    await stop.wait()
    await sandbox.stop()


def _set_at_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        stop.set()


def main(arguments: list[str] | None = None) -> None:
    """Command line of ``geopush sandbox``."""
    parser = argparse.ArgumentParser(prog="geopush sandbox", description="A local stand-in for APNs and FCM.")
    parser.add_argument("--port", type=int, default=0, help="HTTP/2 port for APNs and FCM (0: any free one)")
    parser.add_argument("--pages-port", type=int, default=0, help="plain HTTP port: GET /sandbox/pushes?after=0")
    parser.add_argument("--directory", type=Path, help="where to put the generated keys (default: a temporary one)")
    parser.add_argument("--ends-with-stdin", action="store_true", help="stop when standard input closes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="geopush-sandbox-") as temporary:
        directory = options.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        asyncio.run(run(directory, options.port, options.pages_port, ends_with_stdin=options.ends_with_stdin))


if __name__ == "__main__":
    main()

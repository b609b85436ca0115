"""The one command, ``geopush``: every subcommand, its options and its help."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import ConfigError, GeopushError
from gateway.settings import Settings, read_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status. Mistakes are one line on stderr, never a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        for name, module, _ in _DELEGATED:
            if words[:1] == [name]:
                place, _, function = module.partition(":")
                return int(getattr(importlib.import_module(place), function or "main")(words[1:]) or 0)
        options = _parser().parse_args(words)
        return int(options.run(options))
    except ConfigError as error:
        print(f"geopush: {error.detail}", file=sys.stderr)
        return 2
    except GeopushError as error:
        print(f"geopush: {error.title.lower()}: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="geopush", description="Location pings in, one well-chosen push out while the shopper is still nearby."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run the gateway", description="Run the gateway until SIGTERM or Ctrl-C.")
    _add_setting_options(serve)
    serve.add_argument("--ends-with-stdin", action="store_true", help="stop when standard input closes")
    serve.set_defaults(run=_serve)

    worker = commands.add_parser("worker", help="one process of serve --workers; started by it, not by hand")
    worker.set_defaults(run=_worker)

    sender = commands.add_parser("sender", help="run a sender alone")
    _add_setting_options(sender)
    sender.set_defaults(run=_sender)

    demo = commands.add_parser("demo", help="real stores, simulated shoppers, pushes to a local sandbox")
    demo.add_argument("--seconds", type=float, help="stop by itself after so many seconds and print a JSON summary")
    demo.add_argument("--port", type=int, default=8080, help="port of the gateway and its console (default 8080)")
    demo.set_defaults(run=_demo)

    for name, _, sentence in _DELEGATED:
        commands.add_parser(name, help=sentence, add_help=False)
    return parser


_DELEGATED = (
    ("replay", "gateway.offline.replay", "run the engine over a file of pings and write its events"),
    ("score", "gateway.offline.score", "score visit attribution against true visits"),
    ("backtest", "gateway.offline.backtest", "run a file of pings against draft offers"),
    ("export", "gateway.offline.campaign:export_main", "write a gateway's catalog to a folder"),
    ("apply", "gateway.offline.campaign:apply_main", "make a gateway's catalog what a folder says"),
    ("sandbox", "gateway.delivery.sandbox.__main__", "run the local APNs and FCM stand-in"),
    ("source", "gateway.ingest.commands:source_main", "let in clients that phones already have"),
    ("keys", "gateway.ingest.commands:keys_main", "create, list, rotate and revoke API keys"),
    ("dead-letters", "gateway.delivery.letters", "list pushes that were given up, and try them again"),
)
"""Commands that read their own options: name, module (and its function, else ``main``), sentence."""


def _add_setting_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", type=Path, metavar="FILE", help="TOML file of settings")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8080; 0 takes a free one)")
    parser.add_argument("--workers", type=int, help="gateway processes that share the port (default 1)")
    parser.add_argument("--data-dir", type=Path, help="folder of the embedded Redis (default geopush-data)")
    parser.add_argument("--redis", dest="redis_url", metavar="URL", help="use this Redis instead of the embedded one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting; may be given again"
    )


def _settings(options: argparse.Namespace) -> Settings:
    given = {name: getattr(options, name) for name in ("host", "port", "workers", "data_dir", "redis_url")}
    for pair in options.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair}: write it as NAME=VALUE")
        given[name] = value
    return read_settings(given, file=options.settings)


def _serve(options: argparse.Namespace) -> int:
    from gateway.serving import serve

    return serve(_settings(options), ends_with_stdin=options.ends_with_stdin)


def _worker(_options: argparse.Namespace) -> int:
    from gateway.serving import serve_worker

    return serve_worker(read_settings({}))


def _sender(options: argparse.Namespace) -> int:
    from gateway.serving import serve_sender

    return serve_sender(_settings(options))


def _demo(options: argparse.Namespace) -> int:
    from gateway.demo import run

    return run(seconds=options.seconds, port=options.port)

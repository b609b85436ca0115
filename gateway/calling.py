"""A running gateway's API as commands of the shell call it: one connection, one set of options, time-outs and errors.

A command is a function from its options and a ``Caller`` to the lines it prints. What goes wrong is one line on
standard error that says what to do, and the exit status 1.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.errors import BadRequest, GeopushError, Unavailable

KEY_VARIABLE: Final = "GEOPUSH_KEY"
URL: Final = "http://127.0.0.1:8080"
"""Where ``geopush serve`` listens unless told otherwise."""
TIMEOUT_S: Final = 30.0
"""Longest wait for one answer; a command that has the gateway compile a whole catalog asks for more."""
MAX_FAULTS_SHOWN: Final = 5
"""Of a document's faults, those that a terminal shows; a file of thousands may have as many."""


class Caller:
    """``call(method, path, document)``, over one connection that is kept between calls."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Connects with the first call. Raises BadRequest for an address that is none, or without a key."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadRequest(f"{url} is no address of a gateway: write it as http://host:port or https://host")
        if not key:
            raise BadRequest(f"an API key is needed: --key KEY, or the environment variable {KEY_VARIABLE}")
        connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        try:
            self._connection = connection(parts.hostname, parts.port, timeout=timeout_s)
        except ValueError as error:  # a port that is no number
            raise BadRequest(f"{url} is no address of a gateway: {error}") from error
        self._url = url
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def __call__(self, method: str, path: str, document: Any = None) -> Any:
        """The answer's JSON, None where it has none. Raises BadRequest with the gateway's words, Unavailable."""
        body = None if document is None else json.dumps(document).encode()
        try:
            self._connection.request(method, self._path + path, body, self._headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unavailable(f"no gateway answers at {self._url}: {str(error) or type(error).__name__}") from error
        found = _json(text)
        if answer.status >= 400:
            why = _complaint(found) or f"{answer.status} {answer.reason}"
            raise BadRequest(f"the gateway refused {method} {path}: {why}")
        return found

    def close(self) -> None:
        """Disconnects."""
        self._connection.close()


def command(name: str, sentence: str, *, needs: str) -> argparse.ArgumentParser:
    """A parser with the options that every such command has; ``needs`` is what the key must be allowed."""
    parser = argparse.ArgumentParser(prog=name, description=sentence)
    parser.add_argument("--url", default=URL, help="the gateway (default %(default)s)")
    key = os.environ.get(KEY_VARIABLE, "")
    parser.add_argument("--key", default=key, help=f"API key with the scope {needs} (default: ${KEY_VARIABLE})")
    return parser


def run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    act: Callable[[argparse.Namespace, Caller], Iterable[str]],
    *,
    timeout_s: float = TIMEOUT_S,
) -> int:
    """Prints what ``act`` yields, line by line; answers the exit status."""
    options = parser.parse_args(arguments)
    try:
        call = Caller(options.url, options.key, timeout_s=timeout_s)
        try:
            for line in act(options, call):
                sys.stdout.write(f"{line}\n")
        finally:
            call.close()
    except GeopushError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    return 0


def _json(text: bytes) -> Any:
    """None for an empty body, and for a page that something between here and the gateway made."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _complaint(problem: Any) -> str:
    """A problem document's detail and the first faults of the document, each with its place."""
    if not isinstance(problem, dict):
        return ""
    faults = problem.get("errors", [])
    places = [f"{fault.get('pointer', '')} {fault.get('detail', '')}".strip() for fault in faults[:MAX_FAULTS_SHOWN]]
    more = [f"and {len(faults) - MAX_FAULTS_SHOWN} more"] if len(faults) > MAX_FAULTS_SHOWN else []
    return "; ".join(filter(None, [str(problem.get("detail", "")), *places, *more]))

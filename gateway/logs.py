"""One JSON line per event on stderr: a short constant sentence, and the facts in fields.

Never pass a coordinate, a token or a user id as a field: use a coarse cell or the keyed hash.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson

from gateway.clock import now_ms

_ROOT = "geopush"


class _JsonLines(logging.Formatter):
    """A record as one JSON object; ``record.facts`` holds the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at_ms": now_ms(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class Log:
    """A named log: ``log.info("outbox entry taken over", partition=3)``."""

    def __init__(self, name: str) -> None:
        """``name`` is the room, for example ``sender``."""
        self._logger = logging.getLogger(f"{_ROOT}.{name}")

    def debug(self, event: str, **facts: Any) -> None:
        """Say what only a developer wants to see."""
        self._logger.debug(event, extra={"facts": facts})

    def info(self, event: str, **facts: Any) -> None:
        """Say what an operator wants to see once."""
        self._logger.info(event, extra={"facts": facts})

    def warning(self, event: str, **facts: Any) -> None:
        """Say what an operator should look at."""
        self._logger.warning(event, extra={"facts": facts})

    def error(self, event: str, *, exc_info: bool | BaseException = False, **facts: Any) -> None:
        """Say what is broken; ``exc_info`` adds the traceback of what is being handled, or of the exception given."""
        self._logger.error(event, extra={"facts": facts}, exc_info=exc_info)


def configure(level: str) -> None:
    """Send geopush's logs of at least ``level`` to stderr as JSON lines, and other libraries' warnings with them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_ROOT).setLevel(level.upper())

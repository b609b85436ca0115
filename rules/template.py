"""The one door to Liquid: texts compiled once, rendered under limits, without a clock.

An undefined variable is a reason not to send, never an empty word. Loops, memory, output and the length of
every intermediate text are bounded, so that no template can stall or fill a worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, wraps
from typing import Any

import liquid
from liquid.exceptions import LiquidError, UndefinedError
from liquid.undefined import StrictDefaultUndefined

from rules.strict import nearest

MAX_OUTPUT_BYTES = 4096
"""The most that APNs and FCM carry, envelope included; a single text cannot use more."""
MAX_ITERATIONS = 100
MAX_LOCALS_BYTES = 16_384
_REMOVED_TAGS = ("include", "render", "doc")
_MARKUP = re.compile(r"\{[{%]")


class TemplateFault(ValueError):
    """A template that does not compile, or a rendering that cannot be sent. The text says why, for its author."""


class _Environment(liquid.Environment):
    loop_iteration_limit = MAX_ITERATIONS
    local_namespace_limit = MAX_LOCALS_BYTES
    output_stream_limit = MAX_OUTPUT_BYTES
    context_depth_limit = 8
    block_nesting_limit = 8


def _bounded(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, refused where its result is longer than any message: ``replace`` can multiply a text."""

    @wraps(apply)
    def checked(*args: Any, **kwargs: Any) -> Any:
        result = apply(*args, **kwargs)
        if isinstance(result, (str, list)) and len(result) > MAX_OUTPUT_BYTES:
            raise TemplateFault(f"the filter {name!r} made a text longer than {MAX_OUTPUT_BYTES} characters")
        return result

    return checked


def _date(value: object, form: object = "%d.%m.%Y") -> str:
    """Liquid's ``date`` without its clock: an ISO date or time, or epoch milliseconds (UTC); "now" is refused."""
    try:
        if isinstance(value, (int, float)):
            then = datetime.fromtimestamp(value / 1000, UTC)
        else:
            then = datetime.fromisoformat(str(value))
        return then.strftime(str(form)[:64])
    except (ValueError, OverflowError, OSError):
        raise TemplateFault(f"{value!r} is not a date; give an ISO date, or use the variable now") from None


def _environment() -> _Environment:
    environment = _Environment(undefined=StrictDefaultUndefined)
    for tag in _REMOVED_TAGS:
        del environment.tags[tag]
    environment.filters = {name: _bounded(name, apply) for name, apply in environment.filters.items()}
    environment.add_filter("date", _date)
    return environment


_ENVIRONMENT = _environment()


class Template:
    """A compiled text. ``variables`` are the paths it reads, such as ``user.first_name``."""

    __slots__ = ("_bound", "source")

    def __init__(self, source: str) -> None:
        """Raises TemplateFault, with line and column, for a text that is not Liquid."""
        self.source = source
        self._bound: liquid.BoundTemplate | None = None
        if _MARKUP.search(source):
            try:
                self._bound = _ENVIRONMENT.from_string(source)
            except LiquidError as error:
                raise TemplateFault(_explain(error, source)) from None

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text with its variables filled in, outer white space removed. Raises TemplateFault with the reason."""
        if self._bound is None:
            return self.source
        try:
            return self._bound.render(**variables).strip()
        except LiquidError as error:
            raise TemplateFault(_explain(error, self.source)) from None
        except (ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise TemplateFault(str(error) or type(error).__name__) from None

    def variables(self) -> frozenset[str]:
        """Paths of every variable read, dotted. Raises TemplateFault for a filter that does not exist."""
        if self._bound is None:
            return frozenset()
        found = self._bound.analyze()
        for name, spans in found.filters.items():
            if name not in _ENVIRONMENT.filters:
                hint = nearest(name, _ENVIRONMENT.filters)
                raise TemplateFault(f"{_place(self.source, spans[0].index)}: there is no filter {name!r}; {hint}")
        return frozenset(".".join(map(str, v.segments)) for reads in found.globals.values() for v in reads)


@lru_cache(maxsize=16_384)
def template(source: str) -> Template:
    """The compiled text; equal sources share one."""
    return Template(source)


def _explain(error: LiquidError, source: str) -> str:
    message = str(error.args[0]) if error.args else str(error)
    token = getattr(error, "token", None)
    if isinstance(error, UndefinedError) or token is None or token.start_index < 0:
        return message
    return f"{_place(source, token.start_index)}: {message}"


def _place(source: str, index: int) -> str:
    before = source[:index]
    return f"line {before.count(chr(10)) + 1}, column {index - before.rfind(chr(10))}"

"""The one door to CEL: who an offer is for, compiled and type-checked when saved, evaluated in microseconds.

A missing attribute makes a rule false, with the reason; it never raises. Cost is bounded: sources are at most
2,000 characters, regular expressions run in linear time (RE2), no loop stands in a loop (``rules.cost``), and one
that would take more than 10,000 steps ends the evaluation. docs/offers.md lists what an expression may name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from cel_expr_python import cel

from rules.cost import nested_loops
from rules.experiment import bucket
from rules.strict import nearest

_T = cel.Type
_JSON = _T.Map(_T.STRING, _T.DYN)

VARIABLES: Mapping[str, cel.Type] = {
    "user": _JSON,
    "user.id": _T.STRING,
    "user.locale": _T.STRING,
    "user.time_zone": _T.STRING,
    "user.platforms": _T.List(_T.STRING),
    "device": _JSON,
    "visit.kind": _T.STRING,
    "visit.number": _T.INT,
    "visit.total": _T.INT,
    "visit.dwell_s": _T.INT,
    "visit.distance_m": _T.DOUBLE,
    "visit.probability": _T.DOUBLE,
    "store": _JSON,
    "store.id": _T.STRING,
    "store.tags": _T.List(_T.STRING),
    "offer.left": _T.INT,
    "offer.taken": _T.INT,
    "events": _T.Map(_T.STRING, _JSON),
    "now": _T.TIMESTAMP,
    "today": _T.STRING,
    "local.hour": _T.INT,
    "local.weekday": _T.STRING,
}
"""Everything an expression may read. ``user`` and ``store`` are open maps; ``today`` is the store's ISO date."""

ATTRIBUTE_TYPES: Mapping[str, cel.Type] = {
    "string": _T.STRING,
    "int": _T.INT,
    "double": _T.DOUBLE,
    "bool": _T.BOOL,
    "list": _T.List(_T.DYN),
    "map": _JSON,
}
BUILT_IN_USER_FIELDS = frozenset(n.partition(".")[2] for n in VARIABLES if n.startswith("user."))

_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_MISSING = re.compile(r'(?:Key not found in map : |No value with name )(?P<name>"[^"]*")')
_STRING_LITERAL = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
_HAS_USER_FIELD = re.compile(r"\bhas\(user\.([A-Za-z_]\w*)\)")
_USER_FIELD = re.compile(r"(?<![\w.])user\.([A-Za-z_]\w*)")


class AudienceFault(ValueError):
    """An expression that does not compile: ``problems`` lists (line, column, what), lines and columns from 1."""

    def __init__(self, problems: list[tuple[int, int, str]]) -> None:
        """At least one problem."""
        self.problems = problems
        super().__init__("; ".join(f"line {line}, column {column}: {what}" for line, column, what in problems))


class Answer(msgspec.Struct, frozen=True):
    """What an expression came to. ``reason`` says why it could not be evaluated, where that made it false."""

    passed: bool
    reason: str = ""


_IN, _OUT = Answer(True), Answer(False)


def days(count: int) -> timedelta:
    """CEL ``days(n)``: a duration."""
    return timedelta(days=count)


def date_of(text: str) -> datetime:
    """CEL ``date(s)``: an ISO date or date and time as a timestamp; without an offset it is UTC."""
    then = datetime.fromisoformat(text)
    return then if then.tzinfo else then.replace(tzinfo=UTC)


def days_until_anniversary(born: str, today: str) -> int:
    """CEL ``days_until_anniversary(d, today)``: 0 on the day; 29 February is kept on the 28th of a common year."""
    here = date.fromisoformat(today[:10])
    month, day = int(born[-5:-3]), int(born[-2:])
    return next((on - here).days for year in (here.year, here.year + 1) if (on := _in_year(year, month, day)) >= here)


def _in_year(year: int, month: int, day: int) -> date:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return date(year, month, 28 if (month, day) == (2, 29) and not is_leap else day)


def _functions() -> list[cel.FunctionDecl]:
    return [
        cel.FunctionDecl("days", [cel.Overload("days_int", _T.DURATION, [_T.INT], impl=days)]),
        cel.FunctionDecl("bucket", [cel.Overload("bucket_string", _T.INT, [_T.STRING, _T.STRING], impl=bucket)]),
        cel.FunctionDecl("date", [cel.Overload("date_string", _T.TIMESTAMP, [_T.STRING], impl=date_of)]),
        cel.FunctionDecl(
            "days_until_anniversary",
            [cel.Overload("anniversary", _T.INT, [_T.STRING, _T.STRING], impl=days_until_anniversary)],
        ),
    ]


@lru_cache(maxsize=16)
def environment_of(attributes: tuple[tuple[str, str], ...]) -> cel.Env:
    """The declarations of one brand: the variables above and its own attributes, sorted by name."""
    declared = {f"user.{name}": ATTRIBUTE_TYPES[kind] for name, kind in attributes}
    return cel.NewEnv(variables={**declared, **VARIABLES}, functions=_functions())


class Audience:
    """A compiled expression. Build it with ``audience``, which caches by source."""

    __slots__ = ("_environment", "_expression", "source")

    def __init__(self, source: str, attributes: Mapping[str, str]) -> None:
        """Raises AudienceFault, with line and column, for what is not a boolean over declared variables."""
        self.source = source
        self._environment = environment_of(tuple(sorted(attributes.items())))
        self._expression = compiled(self._environment, source)
        code = _STRING_LITERAL.sub(lambda m: " " * len(m[0]), source)
        problems = list(_undeclared(code, attributes)) if attributes else []
        problems += [(*_place(code, start), "a loop in a loop costs too much") for start in nested_loops(code)]
        if problems:
            raise AudienceFault(problems)
        if self._expression.return_type() not in (_T.BOOL, _T.DYN):
            name = self._expression.return_type().name().lower()
            raise AudienceFault([(1, 1, f"an audience is true or false, this is of type {name}")])

    def answer(self, facts: Facts) -> Answer:
        """Whether the user is in it; an error makes it false and is the reason."""
        held = facts.answers.get(self)
        if held is None:
            value, reason = evaluated(self._expression, facts.activation(self._environment))
            held = facts.answers[self] = Answer(value is True, reason) if reason else _IN if value is True else _OUT
        return held


class Facts:
    """What expressions may read of one user at one transition: the same for every offer that the transition woke."""

    __slots__ = ("_activation", "_environment", "answers", "values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        """``values`` by the names of VARIABLES and ``user.<attribute>``; what is not known is left out."""
        self.values = values
        self.answers: dict[Audience, Answer] = {}
        self._environment: cel.Env | None = None
        self._activation: cel.Activation | None = None

    def activation(self, environment: cel.Env) -> cel.Activation:
        """The values bound for an environment: the last one asked for is kept, for a rulebook has but one."""
        if self._activation is None or self._environment is not environment:
            self._environment, self._activation = environment, environment.Activation(self.values)
        return self._activation


@lru_cache(maxsize=16_384)
def _compiled(source: str, attributes: tuple[tuple[str, str], ...]) -> Audience:
    return Audience(source, dict(attributes))


def audience(source: str, attributes: Mapping[str, str]) -> Audience:
    """The compiled expression; equal sources share one. Raises AudienceFault."""
    return _compiled(source, tuple(sorted(attributes.items())))


def compiled(environment: cel.Env, source: str) -> cel.Expression:
    """The expression, type-checked. Raises AudienceFault.

    ``has(user.x)`` is compiled as ``('x'in user)``: the library's ``has`` reads a variable that is itself
    declared with a dotted name as that variable's value. That is one character longer, so columns are put back.
    """
    code = _STRING_LITERAL.sub(lambda m: " " * len(m[0]), source)
    spans = [found.span() for found in _HAS_USER_FIELD.finditer(code)]
    rewritten = source
    for start, end in reversed(spans):
        rewritten = f"{rewritten[:start]}('{source[start + 9 : end - 1]}'in user){rewritten[end:]}"
    try:
        return environment.compile(rewritten)
    except RuntimeError as error:
        found = [(int(line), int(column), what) for line, column, what in _ERROR.findall(str(error))]
        problems = [(line, column - _widened(source, spans, line, column), what) for line, column, what in found]
        raise AudienceFault(problems or [(1, 1, str(error).splitlines()[0])]) from None


def _widened(source: str, spans: list[tuple[int, int]], line: int, column: int) -> int:
    """How many rewritten spans lie before a place on its line."""
    begin = sum(len(text) + 1 for text in source.split("\n")[: line - 1])
    return sum(begin <= start and end - begin < column for start, end in spans)


def evaluated(expression: cel.Expression, activation: cel.Activation) -> tuple[Any, str]:
    """The plain value, or the reason why there is none."""
    try:
        result = expression.eval(activation)
    except RuntimeError as error:
        return None, _reason(str(error))
    value = result.value()
    if value is True or value is False:
        return value, ""
    if result.type() == _T.ERROR:
        return None, _reason(str(value))
    return result.plain_value(), ""


def _reason(text: str) -> str:
    if missing := _MISSING.search(text):
        return f"{missing['name'].strip(chr(34))} is missing"
    if "Iteration budget" in text:
        return "takes too many steps"
    return text.partition(": ")[2].partition(" [")[0] or text


def _undeclared(code: str, attributes: Iterable[str]) -> Iterable[tuple[int, int, str]]:
    """Reads of user attributes that the brand's policy does not declare, in a source whose strings are blanked out."""
    known = {*attributes, *BUILT_IN_USER_FIELDS}
    for found in _USER_FIELD.finditer(code):
        if found[1] not in known:
            what = f"undeclared attribute 'user.{found[1]}'; {nearest(found[1], known)}"
            yield *_place(code, found.start(1)), what


def _place(source: str, index: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    before = source[:index]
    return before.count("\n") + 1, index - before.rfind("\n")

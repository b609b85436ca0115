"""An audience taken apart: the value of every clause and of both sides of its comparison, for a verdict to show.

``a > 3 && (b == "x" || has(c))`` has the clauses ``a > 3``, ``b == "x"`` and ``has(c)``. The source is cut at
the logical operators outside of strings, brackets and ternaries; each piece is compiled as an expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from cel_expr_python import cel

from rules.audience import AudienceFault, Facts, compiled, environment_of, evaluated

_TOKEN = re.compile(
    r"""(?P<string>[rRbB]*(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))"""
    r"|(?P<comment>//[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])"
    r"|(?P<logic>&&|\|\|)|(?P<compare>==|!=|<=|>=|<|>|(?<![\w.])in(?!\w))|(?P<ternary>\?)",
    re.DOTALL,
)


class Clause(msgspec.Struct, frozen=True):
    """One clause with its value (None where it could not be evaluated), the reason, and its operands' values."""

    source: str
    value: Any
    reason: str = ""
    operands: dict[str, Any] = {}


def clauses(source: str, attributes: tuple[tuple[str, str], ...], facts: Facts) -> tuple[Clause, ...]:
    """Every clause of a compiled audience, left to right, with its value now."""
    environment = environment_of(attributes)
    activation = facts.activation(environment)
    found = []
    for piece, operands in _taken_apart(source):
        value, reason = _value(environment, piece, activation)
        sides = {side: _value(environment, side, activation)[0] for side in operands if not _is_literal(side)}
        found.append(Clause(piece, value, reason, {s: _shown(v) for s, v in sides.items() if v is not None}))
    return tuple(found)


@lru_cache(maxsize=4096)
def _taken_apart(source: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    cut = ((leaf, _cut(leaf, "compare")) for leaf in _leaves(source))
    return tuple((leaf, sides if len(sides) > 1 else ()) for leaf, sides in cut)


def _leaves(source: str) -> Iterator[str]:
    source = source.strip()
    parts = _cut(source, "logic")
    if len(parts) > 1:
        for part in parts:
            yield from _leaves(part)
    elif source.startswith("(") and _closing(source) == len(source) - 1:
        yield from _leaves(source[1:-1])
    else:
        yield source


def _cut(source: str, kind: str) -> tuple[str, ...]:
    """The source cut at the top-level tokens of a kind; whole where a top-level ternary binds looser."""
    depth, start, pieces = 0, 0, []
    for token in _TOKEN.finditer(source):
        if token.lastgroup == "open":
            depth += 1
        elif token.lastgroup == "close":
            depth -= 1
        elif depth == 0 and token.lastgroup == "ternary":
            return (source,)
        elif depth == 0 and token.lastgroup == kind:
            pieces.append(source[start : token.start()].strip())
            start = token.end()
    return (*pieces, source[start:].strip())


def _closing(source: str) -> int:
    """The index of the bracket that closes the first one."""
    depth = 0
    for token in _TOKEN.finditer(source):
        depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
        if depth == 0 and token.lastgroup == "close":
            return token.start()
    return -1


@lru_cache(maxsize=8192)
def _expression(environment: cel.Env, source: str) -> cel.Expression | None:
    try:
        return compiled(environment, source)
    except AudienceFault:
        return None


def _value(environment: cel.Env, source: str, activation: cel.Activation) -> tuple[Any, str]:
    expression = _expression(environment, source)
    return (None, "") if expression is None else evaluated(expression, activation)


def _is_literal(source: str) -> bool:
    return bool(re.fullmatch(r"""-?[\d.]+u?|"[^"]*"|'[^']*'|true|false|null|\[.*\]""", source))


def _shown(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else str(value)[:200]

"""One route declared with all that is true of it: path, scopes, body, answers. OpenAPI is read off these values.

A handler becomes reachable only through ``operation``, which names the scopes that open it; a route without a word
on who may call it cannot be written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.web.auth import DOORKEEPER, IDENTITY

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EVERYONE: frozenset[str] = frozenset()
"""The scopes of a route that asks for no key."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or header of an operation; ``schema`` is JSON Schema."""

    name: str
    doc: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    place: str = "query"


@dataclass(frozen=True, slots=True)
class Operation:
    """A handler, where it is mounted, who may call it, what it reads and answers.

    ``body`` and ``answer`` are types that msgspec can describe, or None for no body; ``example`` is a body that works.
    """

    method: str
    path: str
    handler: Handler
    scopes: frozenset[str]
    body: Any = None
    answer: Any = None
    status: int = 200
    content_types: tuple[str, ...] = ("application/json",)
    answer_type: str = "application/json"
    parameters: tuple[Parameter, ...] = ()
    example: Any = None

    def route(self) -> web.RouteDef:
        """The aiohttp route that admits callers first."""
        if not self.scopes:
            return web.RouteDef(self.method, self.path, self.handler, {})
        handler, scopes = self.handler, self.scopes

        async def guarded(request: web.Request) -> web.StreamResponse:
            request[IDENTITY] = await request.app[DOORKEEPER].admit(request, scopes)
            return await handler(request)

        return web.RouteDef(self.method, self.path, guarded, {})


def operation(
    method: str, path: str, *, scopes: Iterable[str] = EVERYONE, **facts: Any
) -> Callable[[Handler], Operation]:
    """Declare the decorated handler as an operation; its docstring becomes the summary and description."""

    def declared(handler: Handler) -> Operation:
        return Operation(method=method, path=path, handler=handler, scopes=frozenset(scopes), **facts)

    return declared


def routes_of(operations: Iterable[Operation]) -> list[web.RouteDef]:
    """The routes to mount."""
    return [op.route() for op in operations]

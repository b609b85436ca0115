"""One route declared with all that is true of it: path, permission, body, answers. OpenAPI is read off these values.

A handler becomes reachable only through ``operation``, which names the permission that opens it; only what is said to
need none is open to everyone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from prometheus_client import Counter

from gateway.web.auth import DOORKEEPER, IDENTITY
from gateway.web.context import CONTEXT
from gateway.web.permissions import Permission
from gateway.web.problems import REQUEST_ID_HEADER, answer_for

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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

    ``needs`` is the permission that a caller must have; None opens it to everyone, without a key.

    ``body`` and ``answer`` are types that msgspec can describe, or None for no body; ``example`` is a body that works.
    ``also`` are statuses beside ``status`` and those that follow from the rest (``web.openapi``): below 400 without a
    body, else problems. ``alike`` are those that come with the body of ``status``.
    """

    method: str
    path: str
    handler: Handler
    needs: Permission | None = None
    body: Any = None
    answer: Any = None
    status: int = 200
    content_types: tuple[str, ...] = ("application/json",)
    answer_type: str = "application/json"
    parameters: tuple[Parameter, ...] = ()
    also: tuple[int, ...] = ()
    alike: tuple[int, ...] = ()
    example: Any = None

    def route(self) -> web.RouteDef:
        """The aiohttp route: admits the caller, turns errors into problems, counts the answer.

        One wrapper and no middleware: on the way of a single ping each further layer would show.
        """
        handler, needs, path = self.handler, self.needs, self.path
        counted: dict[int, Counter] = {}

        async def served(request: web.Request) -> web.StreamResponse:
            try:
                if needs is not None:
                    request[IDENTITY] = await request.app[DOORKEEPER].admit(request, needs)
                response = await handler(request)
            except ConnectionError:
                raise
            except Exception as error:  # noqa: BLE001 - the last line of defence: no caller sees a traceback
                response = answer_for(error, request.headers.get(REQUEST_ID_HEADER, ""), path)
            count = counted.get(response.status)
            if count is None:
                count = request.app[CONTEXT].metrics.http.labels(path, response.status)
                counted[response.status] = count
            count.inc()
            return response

        return web.RouteDef(self.method, path, served, {})


def operation(
    method: str, path: str, *, needs: Permission | None = None, **facts: Any
) -> Callable[[Handler], Operation]:
    """Declare the decorated handler as an operation; its docstring becomes the summary and description."""

    def declared(handler: Handler) -> Operation:
        return Operation(method=method, path=path, handler=handler, needs=needs, **facts)

    return declared


ALL: web.AppKey[list[Operation]] = web.AppKey("operations", list)
"""Every operation that an application serves, for its description of itself."""


def serve(app: web.Application, operations: Iterable[Operation]) -> None:
    """Add the operations to ``app``."""
    served = list(operations)
    app[ALL] = [*app.get(ALL, ()), *served]
    app.add_routes([op.route() for op in served])

"""The application without a gateway behind it: for what needs neither store nor catalog."""

from typing import cast

from aiohttp import web

from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.web.context import CONTEXT, Context
from gateway.web.problems import envelope


def bare_application(settings: Settings, metrics: Metrics) -> web.Application:
    """Errors become problems and answers are counted; nothing else is there."""
    app = web.Application(middlewares=[envelope])
    nothing = cast("None", None)
    app[CONTEXT] = Context(settings, nothing, nothing, nothing, metrics)  # type: ignore[arg-type]
    return app

"""The application without a gateway behind it: for what needs neither store nor catalog."""

from aiohttp import web

from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.web.context import CONTEXT, Context


def bare_application(settings: Settings, metrics: Metrics) -> web.Application:
    """Only what counting answers needs."""
    app = web.Application()
    app[CONTEXT] = Context(settings, None, None, None, metrics)  # type: ignore[arg-type]
    return app

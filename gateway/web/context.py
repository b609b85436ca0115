"""What every handler may reach: one typed value in the application, no global and no locator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.catalog.shelf import Shelves

if TYPE_CHECKING:
    from gateway.catalog.live import LiveCatalog
    from gateway.metrics import Metrics
    from gateway.pipeline import Pipeline
    from gateway.settings import Settings
    from gateway.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """The running gateway's parts, as the HTTP rooms need them."""

    settings: Settings
    store: Store
    catalog: LiveCatalog
    pipeline: Pipeline
    metrics: Metrics
    checks: Mapping[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    """Readiness of further parts by name; a part that is not ready raises GeopushError."""


CONTEXT = web.AppKey("context", Context)
SHELVES = web.AppKey("shelves", Shelves)

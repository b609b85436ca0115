"""Sources over HTTP: letting in clients that phones already have, each with a key in its path."""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.clock import now_ms
from gateway.errors import InvalidDocument, NotFound
from gateway.ingest.clients import CLIENTS
from gateway.ingest.clients.calls import Source
from gateway.ingest.clients.field_map import FieldMap
from gateway.ingest.clients.fields import Mapped
from gateway.ingest.clients.owntracks import MAX_KEY_BYTES
from gateway.ingest.clients.setup import Setup, setup_of
from gateway.store.sources import Sources, StoredSource
from gateway.web import auditing
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import json_answer
from gateway.web.faults import decode_document
from gateway.web.operations import operation
from gateway.web.origin import is_https
from gateway.web.permissions import Permission
from gateway.web.remembering import Remembering

Kind = Literal[
    "transistor", "traccar", "owntracks", "overland", "gpslogger", "mauron85", "colota", "homeassistant", "custom"
]


MAX_ORIGIN_LENGTH = 500
"""Of the address that phones reach the gateway at: with all else it fits into a QR code."""


_MEANT_FOR = {
    "encryption_key": ("owntracks",),
    "sends_geofences": ("owntracks", "transistor"),
    "fields": tuple(kind for kind, client in CLIENTS.items() if isinstance(client, Mapped)),
}
"""Members of a source that mean something to some clients only."""


class NewSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source to add. ``url`` is where phones reach the gateway; without it the address of this request is taken."""

    kind: Kind
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    user_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    encryption_key: Annotated[str, Meta(min_length=1)] | None = None
    sends_geofences: bool = False
    fields: FieldMap | None = None
    url: Annotated[str, Meta(pattern=r"^https?://[^/]+(/.*)?$", max_length=MAX_ORIGIN_LENGTH)] | None = None


class SourceDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A source as listed; ``setup`` only in the answer to its adding, since it holds the secret."""

    source_id: str
    kind: str
    name: str
    created_at_ms: int
    user_id: str | None = None
    sends_geofences: bool = False
    setup: Setup | None = None


class SourceList(msgspec.Struct, frozen=True):
    """All sources, without their secrets."""

    items: list[SourceDocument]


class Kept(msgspec.Struct, frozen=True):
    """A source as it is stored."""

    name: str
    source: Source


KNOWN_SOURCES: web.AppKey[Remembering[Source]] = web.AppKey("known_sources", Remembering)


async def find_source(stored: Sources, secret: str) -> Source | None:
    """The source that a key in a path lets in."""
    found = await stored.find(secret)
    return None if found is None else msgspec.json.decode(found.body, type=Kept).source


async def add(stored: Sources, wanted: NewSource, origin: str) -> SourceDocument:
    """Add a source and tell how to set the client up: the same for the API and ``geopush source add``.

    Raises InvalidDocument where the client needs a user, a key or a field map that ``wanted`` does not bring.
    """
    _check(wanted)
    origin = wanted.url or origin
    if len(origin) > MAX_ORIGIN_LENGTH:
        raise InvalidDocument("the address of this request is too long for a QR code; give one", pointer="/url")
    source = Source(
        id=secrets.token_hex(6),
        kind=wanted.kind,
        user_id=wanted.user_id,
        encryption_key=wanted.encryption_key,
        sends_geofences=wanted.sends_geofences,
        fields=wanted.fields,
    )
    created_at_ms = now_ms()
    body = msgspec.json.encode(Kept(wanted.name, source))
    secret = await stored.add(StoredSource(source.id, created_at_ms, body))
    return _shown(Kept(wanted.name, source), created_at_ms, setup_of(source, secret, origin))


@operation(
    "POST",
    "/v1/sources",
    needs=Permission.MANAGE_SOURCES,
    body=NewSource,
    answer=SourceDocument,
    status=201,
    example={"kind": "owntracks", "name": "Jane's phone", "user_id": "jane", "sends_geofences": True},
)
async def add_source(request: web.Request) -> web.StreamResponse:
    """Let in a client that phones already have; the answer alone holds its address with the secret."""
    context = request.app[CONTEXT]
    wanted = decode_document(await read_body(request, context.settings.max_body_bytes), NewSource)
    origin = f"{'https' if is_https(request) else 'http'}://{request.host}"
    document = await add(Sources(context.store.connection), wanted, origin)
    user = document.user_id and context.store.activity.pseudonym(document.user_id)
    shown = msgspec.structs.replace(document, setup=None, user_id=user)
    await auditing.record(request, "add", f"sources/{document.source_id}", after=shown)
    return json_answer(document, status=201)


@operation("GET", "/v1/sources", needs=Permission.MANAGE_SOURCES, answer=SourceList)
async def list_sources(request: web.Request) -> web.StreamResponse:
    """List all sources, oldest first, without their secrets."""
    stored = await Sources(request.app[CONTEXT].store.connection).list()
    items = [_shown(msgspec.json.decode(one.body, type=Kept), one.created_at_ms) for one in stored]
    return json_answer(SourceList(items))


@operation("DELETE", "/v1/sources/{source_id}", needs=Permission.MANAGE_SOURCES, status=204)
async def remove_source(request: web.Request) -> web.StreamResponse:
    """Let a source in no more: at once in the process that answers, within five seconds in all others."""
    if not await Sources(request.app[CONTEXT].store.connection).remove(request.match_info["source_id"]):
        raise NotFound("no source has this id")
    request.app[KNOWN_SOURCES].forget()
    await auditing.record(request, "remove", f"sources/{request.match_info['source_id']}")
    return web.Response(status=204)


OPERATIONS = (add_source, list_sources, remove_source)


def _check(wanted: NewSource) -> None:
    if CLIENTS[wanted.kind].needs_user and wanted.user_id is None:
        raise InvalidDocument(
            f"{wanted.kind} tells no user that could be trusted; bind the source to one", pointer="/user_id"
        )
    if wanted.kind == "custom" and wanted.fields is None:
        raise InvalidDocument("a custom source needs a field map", pointer="/fields")
    for name, kinds in _MEANT_FOR.items():
        if getattr(wanted, name) and wanted.kind not in kinds:
            detail = f"{name} means nothing to {wanted.kind}, only to {', '.join(kinds)}; leave it out"
            raise InvalidDocument(detail, pointer=f"/{name}")
    if wanted.encryption_key is not None and len(wanted.encryption_key.encode()) > MAX_KEY_BYTES:
        raise InvalidDocument(f"an encryption key has at most {MAX_KEY_BYTES} bytes", pointer="/encryption_key")


def _shown(kept: Kept, created_at_ms: int, setup: Setup | None = None) -> SourceDocument:
    source = kept.source
    return SourceDocument(
        source.id, source.kind, kept.name, created_at_ms, source.user_id, source.sends_geofences, setup
    )

"""What all documents of the catalog share over HTTP: reading one, writing one, deleting one, with ETags.

A write is answered only once this process works by it; other workers hear of it within milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import NotFound, PreconditionFailed
from gateway.ops import audit
from gateway.store.catalog import Change, Kind
from gateway.web.auth import IDENTITY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import document_answer, etag, expected_version, is_unchanged
from gateway.web.faults import decode_object


class Stored(msgspec.Struct, frozen=True):
    """A write that was taken: the document's new version, and what its author should know."""

    id: str
    version: int
    warnings: Sequence[Any] = ()


async def show(request: web.Request, kind: Kind, document_id: str) -> web.StreamResponse:
    """One document as it was put, with its version as ETag; 304 if the caller has it. Raises NotFound."""
    document = await request.app[CONTEXT].store.catalog.get(kind, document_id)
    if document is None:
        raise NotFound(f"there is no {kind.removesuffix('s')} {document_id!r}")
    if is_unchanged(request, document.version):
        return web.Response(status=304, headers={"ETag": etag(document.version)})
    return web.Response(
        body=document.body, content_type="application/json", headers={"ETag": etag(document.version)}
    )


async def put(request: web.Request, change: Change, warnings: Sequence[Any] = ()) -> web.StreamResponse:
    """Commit one document and answer its version. Raises PreconditionFailed where If-Match names another."""
    version = await _change_one(request, change)
    return document_answer(Stored(change.id, version, warnings), version)


async def delete(request: web.Request, kind: Kind, document_id: str) -> web.StreamResponse:
    """Delete one document. Raises NotFound, PreconditionFailed."""
    change = Change(kind=kind, id=document_id, body=None, expected=expected_version(request))
    await _change_one(request, change)
    return web.Response(status=204)


async def _change_one(request: web.Request, change: Change) -> int:
    """Commit one change and write it to the audit log with what was there before."""
    before = await request.app[CONTEXT].store.catalog.get(change.kind, change.id)
    version = await commit(request, [change])
    await audit.record(
        request,
        "delete" if change.body is None else "put",
        f"{change.kind}/{change.id}",
        before=None if before is None else msgspec.Raw(before.body),
        after=None if change.body is None else msgspec.Raw(change.body),
    )
    return version


async def patched(request: web.Request, kind: Kind, document_id: str) -> tuple[dict[str, Any], int]:
    """The document after the request's merge patch (RFC 7396), and the version that it was patched from.

    Raises NotFound, PreconditionFailed where If-Match names another version, and what reading a body raises.
    """
    context = request.app[CONTEXT]
    patch = decode_object(await read_body(request, context.settings.max_body_bytes))
    document = await context.store.catalog.get(kind, document_id)
    if document is None:
        raise NotFound(f"there is no {kind.removesuffix('s')} {document_id!r}")
    expected = expected_version(request)
    if expected is not None and expected != document.version:
        raise PreconditionFailed(f"it is at version {document.version}, not at {expected}; read it again")
    merged: dict[str, Any] = merge(msgspec.json.decode(document.body), patch)
    return merged, document.version


def merge(target: Any, patch: Any) -> Any:
    """``target`` after a merge patch (RFC 7396): members replaced, null removes, arrays replaced as a whole."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


async def commit(request: web.Request, changes: Sequence[Change]) -> int:
    """Make ``changes`` in the caller's name, all or none, and put them to work here; answers the version."""
    context = request.app[CONTEXT]
    version = await context.store.catalog.commit(changes, at_ms=now_ms(), author=request[IDENTITY].name)
    await context.catalog.refresh()
    return version

"""What all documents of the catalog share over HTTP: reading one, trying and writing one, deleting one, with ETags.

A write is answered only once this process works by it; other workers hear of it within milliseconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from gateway.clock import now_ms
from gateway.errors import GeopushError, NotFound, PreconditionFailed
from gateway.ops import audit
from gateway.ops.ownership import held_to_own
from gateway.store.catalog import Change, Document, Kind
from gateway.web.auth import IDENTITY
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT
from gateway.web.documents import document_answer, etag, expected_version, flag, is_unchanged, json_answer
from gateway.web.faults import decode_object
from gateway.web.operations import Parameter

DRY_RUN = Parameter("dry_run", "Check it and tell what would be stored; change nothing.", {"type": "boolean"})
CONDITIONAL = (
    Parameter("If-Match", "The ETag of the version that this may replace; 412 if it is another.", place="header"),
    Parameter("If-None-Match", "`*`: only if there is none yet.", place="header"),
)
IF_CHANGED = Parameter("If-None-Match", "The ETag of the version one has; 304 if it is still that.", place="header")
MAX_TOLD = 20
"""Changed documents that an activity event names."""


class Stored(msgspec.Struct, frozen=True):
    """A write that was taken: the document's new version, and what its author should know.

    ``status`` is an offer's, which may wait for approval. A dry run answers the present version, 0 for none, and the
    ``document`` that would be stored.
    """

    id: str
    version: int
    warnings: Sequence[Any] = ()
    status: str | msgspec.UnsetType = msgspec.UNSET
    document: dict[str, Any] | msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def as_stored(document: Document) -> bytes:
    """A document's body as it lies in the store."""
    return document.body


async def show(
    request: web.Request, kind: Kind, document_id: str, shown: Callable[[Document], bytes] = as_stored
) -> web.StreamResponse:
    """One document as it was put, with its version as ETag; 304 if the caller has it. Raises NotFound."""
    document = await request.app[CONTEXT].store.catalog.get(kind, document_id)
    if document is None:
        raise NotFound(f"there is no {kind.removesuffix('s')} {document_id!r}")
    if is_unchanged(request, document.version):
        return web.Response(status=304, headers={"ETag": etag(document.version)})
    return web.Response(body=shown(document), content_type="application/json", headers={"ETag": etag(document.version)})


async def put(
    request: web.Request,
    change: Change,
    warnings: Sequence[Any] = (),
    status: str | msgspec.UnsetType = msgspec.UNSET,
    action: str = "put",
) -> web.StreamResponse:
    """Commit one document and answer its version, or with ``dry_run`` only tell what would be stored.

    Raises PreconditionFailed where If-Match names another version.
    """
    if flag(request, "dry_run"):
        return await _try(request, change, warnings, status)
    version = await change_one(request, change, action)
    return document_answer(Stored(change.id, version, warnings, status), version)


async def _try(
    request: web.Request, change: Change, warnings: Sequence[Any], status: str | msgspec.UnsetType
) -> web.StreamResponse:
    (change,) = await held_to_own(request, [change])
    present = await request.app[CONTEXT].store.catalog.get(change.kind, change.id)
    version = 0 if present is None else present.version
    if change.expected not in {None, version}:
        raise PreconditionFailed(f"it is at version {version}, not at {change.expected}; read it again")
    return json_answer(Stored(change.id, version, warnings, status, msgspec.Raw(change.body or b"null")))


async def delete(request: web.Request, kind: Kind, document_id: str) -> web.StreamResponse:
    """Delete one document. Raises NotFound, PreconditionFailed."""
    change = Change(kind=kind, id=document_id, body=None, expected=expected_version(request))
    await change_one(request, change, "delete")
    return web.Response(status=204)


async def change_one(request: web.Request, change: Change, action: str) -> int:
    """Commit one change and write it to the audit log with what was there before; answers the version."""
    before = await request.app[CONTEXT].store.catalog.get(change.kind, change.id)
    version = await commit(request, [change])
    await audit.record(
        request,
        action,
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
    """Make ``changes`` in the caller's name, all or none, and put them to work here; answers the version.

    Raises Forbidden for what a caller with tags may not touch.
    """
    context = request.app[CONTEXT]
    changes = await held_to_own(request, changes)
    version = await context.store.catalog.commit(changes, at_ms=now_ms(), author=request[IDENTITY].name)
    await context.catalog.refresh()
    if changes:
        await tell(request, version, [f"{change.kind}/{change.id}" for change in changes])
    return version


async def tell(request: web.Request, version: int, what: Sequence[str]) -> None:
    """Tell whoever watches the activity that the catalog has changed; the change stands whether they hear or not."""
    activity = request.app[CONTEXT].store.activity
    if not activity.is_watched:
        return
    event = {
        "type": "catalog",
        "at_ms": now_ms(),
        "version": version,
        "by": request[IDENTITY].name,
        "what": list(what[:MAX_TOLD]),
        "changes": len(what),
    }
    with contextlib.suppress(GeopushError):
        await activity.publish([event])

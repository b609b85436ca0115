"""Imports as jobs: upload a file, watch it go, look at the difference, get the errors as CSV.

Parsing and covering run in a process of their own; the catalog changes at the end in one commit, or not at all. A dry
run does everything but that commit. What became of a job can be asked of every worker for a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import orjson
from aiohttp import web

from gateway.catalog.difference import Difference, compare
from gateway.errors import BadRequest, GeopushError, NotFound, Unavailable
from gateway.importing.process import frames_of
from gateway.importing.worker import Task
from gateway.logs import Log
from gateway.ops import audit, stored
from gateway.ops.geofences import limits_of
from gateway.ops.imports import ImportFault
from gateway.store import keys
from gateway.store.catalog import Change, Kind
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, Context
from gateway.web.documents import flag, json_answer
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission

_log = Log("imports")

KEPT_S = 86_400
"""How long a finished job can be asked for."""
MAX_SHOWN = 1_000
"""Errors, and ids of each kind of difference, that a job lists."""
TELL_EVERY = 1_000
"""Features between two tellings of progress."""
POLL_S = 0.3
"""Between two looks at a job that someone watches."""

_DESCRIPTIONS = {
    "mode": "merge keeps geofences that the file does not name; replace removes them.",
    "dry_run": "Do everything but change the catalog; the job shows the difference.",
    "partial": "Take the good features even if others fail.",
    "radius_m": "The radius of points that bring none.",
}


class ImportRepair(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was set right in a feature, and what that did to its area.

    ``before`` and ``after`` are GeoJSON geometries, given once for each of the first features, at its first repair;
    ``before`` only where it can be drawn.
    """

    index: int
    id: str
    code: str
    detail: str
    area_before_m2: float
    area_after_m2: float
    change_ratio: float | None
    line: int | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class ImportAdvice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the author of a feature should look at; it is taken nevertheless."""

    index: int
    id: str
    code: str
    detail: str
    line: int | None = None


class ImportJob(msgspec.Struct, frozen=True):
    """A job. ``state`` ends as done, refused (its features are at fault) or failed (we are).

    ``repaired`` and ``warned`` count by code; ``repairs``, ``warnings`` and ``errors`` are the first of each.
    """

    job_id: str
    state: Literal["running", "done", "refused", "failed"] = "running"
    phase: Literal["reading", "covering", "committing", "finished"] = "reading"
    total: int = 0
    covered: int = 0
    failed: int = 0
    is_dry_run: bool = False
    difference: Difference | None = None
    version: int | None = None
    detail: str = ""
    errors: list[ImportFault] = []
    format: str = ""
    crs: str = ""
    notes: list[str] = []
    repaired: dict[str, int] = {}
    repairs: list[ImportRepair] = []
    warned: dict[str, int] = {}
    warnings: list[ImportAdvice] = []


class _Wanted(msgspec.Struct, frozen=True):
    replaces: bool
    is_dry_run: bool
    is_partial: bool
    task: Task


class ImportJobs:
    """The jobs of this process; one runs at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._running: asyncio.Task[None] | None = None

    async def start(self, request: web.Request, body: bytes, wanted: _Wanted) -> ImportJob:
        """Begin a job. Raises Unavailable while another runs."""
        if self._running is not None and not self._running.done():
            raise Unavailable("another import is under way; try again when it is done", retry_after_s=5)
        job = ImportJob(secrets.token_hex(8), is_dry_run=wanted.is_dry_run)
        self._running = asyncio.create_task(self._run(request, job, body, wanted))
        await self._keep(job)
        return job

    async def find(self, job_id: str) -> ImportJob:
        """The job as it stands. Raises NotFound."""
        kept = await self._context.store.connection.call("GET", keys.import_job(job_id))
        if kept is None:
            raise NotFound("there is no import of this id; jobs are kept for a day")
        return msgspec.json.decode(kept, type=ImportJob)

    async def stop(self) -> None:
        """Give a running job up: nothing of it was changed."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _keep(self, job: ImportJob) -> None:
        await self._context.store.connection.call(
            "SET", keys.import_job(job.job_id), msgspec.json.encode(job), "EX", KEPT_S
        )

    async def _run(self, request: web.Request, job: ImportJob, body: bytes, wanted: _Wanted) -> None:
        try:
            job = await self._work(request, job, body, wanted)
        except GeopushError as error:
            job = msgspec.structs.replace(job, state="failed", phase="finished", detail=error.detail)
        except Exception:  # noqa: BLE001 - the job ends with it, and says so
            _log.error("import failed", exc_info=True)
            detail = "this is our fault; the gateway's log tells more"
            job = msgspec.structs.replace(job, state="failed", phase="finished", detail=detail)
        await self._keep(job)

    async def _work(self, request: web.Request, job: ImportJob, body: bytes, wanted: _Wanted) -> ImportJob:
        """Every frame of the worker, then the difference, then the commit."""
        replace = msgspec.structs.replace
        changes: list[Change] = []
        async with contextlib.aclosing(frames_of(wanted.task, body)) as frames:
            async for frame in frames:
                match frame:
                    case ["unreadable", _, detail]:
                        return replace(job, state="refused", phase="finished", detail=detail)
                    case ["total", total]:
                        job = replace(job, total=total, phase="covering")
                        await self._keep(job)
                    case ["fault", fault]:
                        if job.failed < MAX_SHOWN:
                            job.errors.append(msgspec.convert(fault, ImportFault))
                        job = replace(job, failed=job.failed + 1)
                    case ["feature", geofence_id, feature, covering]:
                        changes.append(Change(kind=Kind.GEOFENCE, id=geofence_id, body=feature, extra=covering))
                        if len(changes) % TELL_EVERY == 0:
                            job = replace(job, covered=len(changes))
                            await self._keep(job)
        job = replace(job, covered=len(changes), phase="committing")
        if job.failed and not wanted.is_partial:
            detail = f"{job.failed} of {job.total} features are not geofences, so nothing was changed"
            return replace(job, state="refused", phase="finished", detail=detail)
        await self._keep(job)
        await self._context.catalog.refresh()
        snapshot = self._context.catalog.current
        difference, needed = await asyncio.to_thread(compare, snapshot, changes, replaces=wanted.replaces)
        version = snapshot.version
        if not wanted.is_dry_run:
            version = await stored.commit(request, needed)
            await audit.record(request, "import", "geofences", after=difference)
        return replace(job, state="done", phase="finished", difference=difference, version=version)


JOBS = web.AppKey("import_jobs", ImportJobs)


@operation(
    "POST",
    "/v1/imports",
    needs=Permission.WRITE_GEOFENCES,
    body=dict[str, Any],
    answer=ImportJob,
    status=202,
    content_types=("application/geo+json", "application/json", "application/x-ndjson", "text/csv"),
    parameters=tuple(Parameter(name, doc) for name, doc in _DESCRIPTIONS.items()),
    example={"type": "FeatureCollection", "features": []},
)
async def start_import(request: web.Request) -> web.StreamResponse:
    """Import a file of geofences as a job: GeoJSON, newline-delimited GeoJSON, or CSV (ours, Radar's, Google's).

    The answer names the job; ask for it, or watch its events, until its state is no longer running.
    """
    settings = request.app[CONTEXT].settings
    query = request.query
    mode = query.get("mode", "merge")
    if mode not in {"merge", "replace"}:
        raise BadRequest("mode must be merge or replace", parameter="mode")
    wanted = _Wanted(
        replaces=mode == "replace",
        is_dry_run=flag(request, "dry_run"),
        is_partial=flag(request, "partial"),
        task=Task(request.content_type, limits_of(request.app[CONTEXT]), _radius(query)),
    )
    body = await read_body(request, settings.max_import_bytes, settings.max_import_bytes)
    job = await request.app[JOBS].start(request, body, wanted)
    return json_answer(job, status=202, headers={"Location": f"/v1/imports/{job.job_id}"})


@operation("GET", "/v1/imports/{job_id}", needs=Permission.READ_CATALOG, answer=ImportJob)
async def get_import(request: web.Request) -> web.StreamResponse:
    """Get an import: how far it is, the difference it makes, and its first errors."""
    return json_answer(await request.app[JOBS].find(request.match_info["job_id"]))


@operation("GET", "/v1/imports/{job_id}/errors.csv", needs=Permission.READ_CATALOG, answer_type="text/csv")
async def get_import_errors(request: web.Request) -> web.StreamResponse:
    """Get an import's errors as a table: index, line, code, place and what to do."""
    job = await request.app[JOBS].find(request.match_info["job_id"])
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["index", "line", "code", "pointer", "detail"])
    writer.writerows([e.index, "" if e.line is None else e.line, e.code, e.pointer, e.detail] for e in job.errors)
    headers = {"Content-Disposition": f'attachment; filename="import-{job.job_id}-errors.csv"'}
    return web.Response(text=table.getvalue(), content_type="text/csv", charset="utf-8", headers=headers)


@operation("GET", "/v1/imports/{job_id}/events", needs=Permission.READ_CATALOG, answer_type="text/event-stream")
async def watch_import(request: web.Request) -> web.StreamResponse:
    """Watch an import as server-sent events: ``progress`` when it moves, ``finished`` at the end."""
    jobs, job_id = request.app[JOBS], request.match_info["job_id"]
    job: ImportJob | None = await jobs.find(job_id)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    told: ImportJob | None = None
    while job is not None:
        if job != told:
            name = b"progress" if job.state == "running" else b"finished"
            await response.write(b"event: %b\ndata: %b\n\n" % (name, orjson.dumps(msgspec.to_builtins(job))))
            told = job
        if job.state != "running":
            break
        await asyncio.sleep(POLL_S)
        job = await jobs.find(job_id)
    return response


OPERATIONS = (start_import, get_import, get_import_errors, watch_import)


def _radius(query: Mapping[str, str]) -> float | None:
    text = query.get("radius_m")
    if text is None:
        return None
    try:
        radius_m = float(text)
    except ValueError:
        radius_m = 0.0
    if not 0 < radius_m < float("inf"):
        raise BadRequest("radius_m must be a number of metres above 0", parameter="radius_m")
    return radius_m

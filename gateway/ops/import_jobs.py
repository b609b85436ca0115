"""Imports as jobs: upload a file, watch it go, look at the difference and the repairs, get its tables as CSV.

Reading, repairing and covering run in a process of their own; the catalog changes at the end in one commit, or not at
all. A dry run does everything but write. What became of a job can be asked of every worker for a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Literal

import msgspec
import orjson
from aiohttp import web

from gateway.errors import BadRequest, GeopushError, NotFound, Unavailable
from gateway.importing.process import frames_of
from gateway.importing.reading import Choices
from gateway.importing.worker import Task
from gateway.logs import Log
from gateway.ops import audit
from gateway.ops.geofences import limits_of
from gateway.ops.import_reports import COLUMNS, ImportAdvice, ImportRepair, Report, unpacked
from gateway.ops.import_staging import Difference, Staging
from gateway.ops.imports import ImportFault
from gateway.store import keys
from gateway.web.bodies import read_body
from gateway.web.context import CONTEXT, Context
from gateway.web.documents import flag, json_answer
from gateway.web.operations import Parameter, operation
from gateway.web.permissions import Permission
from geofences.index import GeofenceIndex
from geofences.model import Circle

_log = Log("imports")

KEPT_S = 86_400
"""How long a finished job can be asked for."""
TELL_EVERY = 1_000
"""Features between two tellings of progress."""
POLL_S = 0.3
"""Between two looks at a job that someone watches."""

_DESCRIPTIONS = {
    "mode": "merge keeps geofences that the file does not name; replace removes them.",
    "dry_run": "Do everything but change the catalog; the job shows the difference.",
    "partial": "Take the good features even if others fail.",
    "repair": "false refuses what would be repaired; true, the default, repairs what is sure and tells it.",
    "radius_m": "The radius of points that bring none.",
    "id_property": "The property or column that is the id.",
    "crs": "The coordinate system, as EPSG:3067, where the file does not say or says wrong.",
    "axes": "lng_lat, the default, or lat_lng: the file puts latitude first.",
    "layer": "The layer of a GeoPackage that has several.",
}
_CONTENT_TYPES = (
    "application/geo+json", "application/json", "application/x-ndjson", "text/csv", "application/zip",
    "application/vnd.google-earth.kml+xml", "application/vnd.google-earth.kmz", "application/geopackage+sqlite3",
    "application/octet-stream",
)  # fmt: skip
_MAX_PLACES = 200
"""Places of geofences that are there, which tell whether a file's axes are swapped."""


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
        frames = frames_of(wanted.task, body)
        self._running = asyncio.create_task(self._run(request, job, frames, wanted))
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

    async def _run(self, request: web.Request, job: ImportJob, frames: Frames, wanted: _Wanted) -> None:
        try:
            job = await self._work(request, job, frames, wanted)
        except GeopushError as error:
            job = msgspec.structs.replace(job, state="failed", phase="finished", detail=error.detail)
        except Exception:  # noqa: BLE001 - the job ends with it, and says so
            _log.error("import failed", exc_info=True)
            detail = "this is our fault; the gateway's log tells more"
            job = msgspec.structs.replace(job, state="failed", phase="finished", detail=detail)
        await self._keep(job)

    async def _work(self, request: web.Request, job: ImportJob, frames: Frames, wanted: _Wanted) -> ImportJob:
        """Every frame of the worker, compared and written ahead block by block, then the commit."""
        replace = msgspec.structs.replace
        report = Report()
        staging = Staging(request, is_dry_run=wanted.is_dry_run, replaces=wanted.replaces)
        try:
            async with contextlib.aclosing(frames):
                async for frame in frames:
                    match frame:
                        case ["unreadable", code, detail]:
                            report.add("errors", ImportFault(0, code, detail))
                            return replace(job, state="refused", phase="finished", detail=detail, **report.shown())
                        case ["source", facts]:
                            job = replace(job, format=facts["format"], crs=facts["crs"], notes=facts["notes"])
                        case ["total", total]:
                            job = replace(job, total=total, phase="covering")
                        case ["features", features]:
                            if wanted.is_partial or not report.failed:
                                await staging.add(features)
                            job = replace(job, covered=job.covered + len(features))
                        case [name, fact]:
                            report.add(_TABLES[name], msgspec.convert(fact, _FACTS[name]))
                            job = replace(job, failed=report.failed)
                    if frame[0] == "total" or (frame[0] == "features" and job.covered % TELL_EVERY == 0):
                        await self._keep(job)
            job = replace(job, phase="committing", **report.shown())
            await self._keep_tables(job, report)
            if job.failed and not wanted.is_partial:
                detail = f"{job.failed} of {job.total} features are not geofences, so nothing was changed"
                return replace(job, state="refused", phase="finished", detail=detail)
            await self._keep(job)
            difference = await staging.finish()
            version = self._context.catalog.current.version
            if not wanted.is_dry_run:
                version = await staging.commit(f"import of {job.covered} {job.format} features")
                await audit.record(request, "import", "geofences", after=difference)
            job = replace(job, state="done", phase="finished", difference=difference, version=version)
        finally:
            if job.state != "done":
                await staging.discard()
        return job

    async def _keep_tables(self, job: ImportJob, report: Report) -> None:
        for name, table in (await asyncio.to_thread(report.tables)).items():
            await self._context.store.connection.call("SET", keys.import_table(job.job_id, name), table, "EX", KEPT_S)


Frames = AsyncGenerator[list[Any], None]
_TABLES = {"fault": "errors", "repair": "repairs", "advice": "warnings"}
_FACTS: dict[str, type[ImportFault | ImportRepair | ImportAdvice]] = {
    "fault": ImportFault, "repair": ImportRepair, "advice": ImportAdvice,
}  # fmt: skip
JOBS = web.AppKey("import_jobs", ImportJobs)


@operation(
    "POST",
    "/v1/imports",
    needs=Permission.WRITE_GEOFENCES,
    body=dict[str, Any],
    answer=ImportJob,
    status=202,
    content_types=_CONTENT_TYPES,
    parameters=tuple(Parameter(name, doc) for name, doc in _DESCRIPTIONS.items()),
    example={"type": "FeatureCollection", "features": []},
)
async def start_import(request: web.Request) -> web.StreamResponse:
    """Import a file of geofences as a job: GeoJSON, CSV, KML, Shapefile, GeoPackage and more, known by content.

    Outlines are repaired where that is sure, and every repair is told. The answer names the job; ask for it, or watch
    its events, until its state is no longer running.
    """
    settings = request.app[CONTEXT].settings
    query = request.query
    known = await asyncio.to_thread(_places, request.app[CONTEXT].catalog.current.index)
    wanted = _Wanted(
        replaces=_choice(query, "mode", ("merge", "replace")) == "replace",
        is_dry_run=flag(request, "dry_run"),
        is_partial=flag(request, "partial"),
        task=Task(
            content_type=request.content_type,
            limits=limits_of(request.app[CONTEXT]),
            choices=Choices(
                radius_m=_radius(query),
                id_property=query.get("id_property"),
                crs=query.get("crs"),
                layer=query.get("layer"),
                lat_first=_choice(query, "axes", ("lng_lat", "lat_lng")) == "lat_lng",
            ),
            repairs=_choice(query, "repair", ("true", "false")) == "true",
            known=known,
            memory_bytes=settings.max_import_memory_bytes,
            cpu_s=settings.max_import_cpu_s,
        ),
    )
    body = await read_body(request, settings.max_import_bytes, settings.max_import_bytes)
    job = await request.app[JOBS].start(request, body, wanted)
    return json_answer(job, status=202, headers={"Location": f"/v1/imports/{job.job_id}"})


@operation("GET", "/v1/imports/{job_id}", needs=Permission.READ_CATALOG, answer=ImportJob)
async def get_import(request: web.Request) -> web.StreamResponse:
    """Get an import: how far it is, the difference it makes, and its first errors."""
    return json_answer(await request.app[JOBS].find(request.match_info["job_id"]))


@operation("GET", "/v1/imports/{job_id}/{table}.csv", needs=Permission.READ_CATALOG, answer_type="text/csv")
async def get_import_table(request: web.Request) -> web.StreamResponse:
    """Get a table of an import as CSV: its errors, repairs or warnings, by line."""
    job_id, name = request.match_info["job_id"], request.match_info["table"]
    if name not in COLUMNS:
        raise NotFound(f"an import has the tables {', '.join(COLUMNS)}")
    await request.app[JOBS].find(job_id)
    table = await request.app[CONTEXT].store.connection.call("GET", keys.import_table(job_id, name))
    text = unpacked(table) if table is not None else ",".join(COLUMNS[name]) + "\r\n"
    headers = {"Content-Disposition": f'attachment; filename="import-{job_id}-{name}.csv"'}
    return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)


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


OPERATIONS = (start_import, get_import, get_import_table, watch_import)


def _places(index: GeofenceIndex) -> list[tuple[float, float]]:
    """Where the geofences are, to a degree: one of each, not too many."""
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for geofence in itertools.islice(index, 0, None, max(1, len(index) // 20_000)):
        shape = geofence.shape
        if isinstance(shape, Circle):
            lat, lng = shape.center.lat, shape.center.lng
        else:
            west, south, east, north = shape.bounds
            lat, lng = (south + north) / 2, (west + east) / 2
        found.setdefault((round(lat), round(lng)), (lat, lng))
    places = list(found.values())
    return places[:: max(1, -(-len(places) // _MAX_PLACES))]


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """The choice made, the first by default. Raises BadRequest."""
    chosen = query.get(name, choices[0])
    if chosen not in choices:
        raise BadRequest(f"{name} must be {' or '.join(choices)}", parameter=name)
    return chosen


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

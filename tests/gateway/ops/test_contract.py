"""The gateway keeps what /openapi.json says: each operation asked with made-up requests, good and bad.

No request brings it down (5xx), every answer has a status, a content type and a body that are described, what breaks
the description is refused, and what needs a key answers nobody without one. The requests are made from the description
by schemathesis, the same in every run.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis import Case, CheckContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from gateway import app, ingest, ops
from gateway.web.openapi import document_of, path_example
from tests.patience import PATIENCE_S, patient

EXAMPLES = 12
"""Made-up requests of each operation, beside those derived from every keyword of its description: a minute or so of one
core in all."""
STREAMS = {"text/event-stream"}
SERVED = [op for op in (*ingest.OPERATIONS, *ops.OPERATIONS) if op.answer_type not in STREAMS and op.status != 101]
CONFIG = SchemathesisConfig.from_dict(
    {
        "phases": {"examples": {"enabled": True}, "coverage": {"enabled": True}},
        "generation": {"mode": "all"},
        "operations": [
            {
                "include-path": "/v1/offers/{offer_id}",
                "include-method": "PUT",
                "phases": {"coverage": {"enabled": False}},
            }
        ],
    }
)
"""Good and bad requests; those of an offer's keywords would be a quarter of all, and its faults have tables already."""
DOCUMENT = json.loads(json.dumps(document_of(SERVED, "0")))
"""As it is served: JSON has no tuples, which schemathesis cannot compare."""
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)


@schemathesis.serializer("application/x-ndjson", "application/geo+json-seq")
def lines(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """A body of one JSON document a line."""
    documents = value if isinstance(value, list) else [value]
    return "".join(f"{json.dumps(document)}\n" for document in documents).encode()


FILES = {kind for op in SERVED for kind in op.content_types if "json" not in kind and not kind.startswith("text/")}


@schemathesis.serializer(*FILES)
def file(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """What claims to be a file of some format and hardly ever is one."""
    return value if isinstance(value, bytes) else str(value).encode()


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway on a loopback port, and an admin's key."""

    url: str
    key: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A whole gateway with its embedded Redis, in a thread of its own, and what the paths' examples name in it."""
    settings = patient(data_dir=tmp_path_factory.mktemp("contract"), port=0, partitions=4, run_sender=False)
    ready: list[Running] = []
    is_ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        try:
            async with app.running(settings) as gateway:
                assert gateway.new_admin_key is not None
                await furnish(gateway)
                ready.append(Running(gateway.url, gateway.new_admin_key))
                is_ready.set()
                await stop.wait()
        finally:
            is_ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert is_ready.wait(PATIENCE_S)
    yield ready[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(PATIENCE_S)


async def furnish(gateway: app.Gateway) -> None:
    """Put every example with a body where its path's example says, so that answers with content are looked at too."""
    headers = {"Authorization": f"Bearer {gateway.new_admin_key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for op in sorted(SERVED, key=lambda op: "users" in op.path or "offers" in op.path):
            if op.method == "PUT" and op.example is not None:
                async with session.put(gateway.url + path_example(op), json=op.example) as answer:
                    assert answer.status == op.status, (op.path, await answer.text())


def stands(_context: CheckContext, response: Response, _case: Case) -> None:
    """A request may be too much for now, which says when to come back; it never is too much altogether."""
    if response.status_code >= 500:
        assert (response.status_code, "retry-after" in response.headers) == (503, True), response.text


def refuses(context: CheckContext, response: Response, case: Case) -> None:
    """What breaks the description is refused; what comes in bulk may be, one by one, in an answer that says so."""
    is_known = response.status_code not in {202, 412}  # a wrong If-Match, which schemathesis takes for no refusal
    if is_known and b'"failed":' not in response.content:
        negative_data_rejection(context, response, case)


@SCHEMA.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_keeps_its_word(case: Case, running: Running) -> None:
    case.call_and_validate(
        base_url=running.url,
        headers={"Authorization": f"Bearer {running.key}"},
        checks=[
            stands,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
            ignored_auth,
            refuses,
        ],
    )

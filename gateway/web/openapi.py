"""OpenAPI 3.1 of the operations, read off their declarations and types, so that it cannot fall behind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from gateway.web.auth import CSRF_HEADER, SECURE_SESSION_COOKIE, SESSION_COOKIE
from gateway.web.documents import MAX_ID_LENGTH
from gateway.web.operations import Operation, Parameter
from gateway.web.permissions import holders

_REFERENCE = "#/components/schemas/{name}"
_VARIABLE = re.compile(r"{(\w+)}")
_SKIPPED_WORDS = {"v1"}
_EXAMPLES = {
    "client": "owntracks",
    "decision_id": "Zm9vYmFyYmF6cXV4",
    "device_id": "phone",
    "document_id": "lunch",
    "geofence_id": "store-17",
    "job_id": "9f86d081884c7d65",
    "key": "q1w2e3r4t5z6u7i8o9p0a1s2",
    "key_id": "4f1c09a2b7de",
    "kind": "offers",
    "offer_id": "lunch",
    "pool": "spring",
    "push_id": "5d41402abc4b2a76b9719d911017c592",
    "source_id": "a1b2c3d4e5f6",
    "user_id": "u-1",
    "version": "12",
}
"""What may stand for a variable of a path; "1" for any other."""

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "An error (RFC 9457); code is stable.",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "pointer": {"type": "string", "description": "JSON pointer of the offending member."},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "Every fault of a document."},
    },
}


def document_of(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The OpenAPI document of ``operations``."""
    types = [kind for op in operations for kind in (op.body, op.answer) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE, schema_hook=_anything)
    schema_of = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _described(op, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "geopush", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components | {"Problem": PROBLEM_SCHEMA},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key or a token."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": SESSION_COOKIE,
                    "description": f"A console's session; what changes something also sends {CSRF_HEADER}. "
                    f"Over HTTPS the cookie is called {SECURE_SESSION_COOKIE}.",
                },
            },
        },
    }


def _anything(kind: type) -> dict[str, Any]:
    """The schema of what msgspec does not know: ``object`` may be any value."""
    if kind is not object:
        raise TypeError(f"{kind} has no JSON Schema")
    return {"description": "Any value."}


def summary_of(op: Operation) -> tuple[str, str]:
    """The first sentence of the handler's docstring, and the rest."""
    first, _, rest = inspect.cleandoc(op.handler.__doc__ or "").partition("\n\n")
    return first.replace("\n", " "), rest


def needs_of(op: Operation) -> str:
    """The permission that opens an operation, and who has it, as a sentence."""
    if op.needs is None:
        return "Needs no key."
    roles, scopes = holders(op.needs)
    return f"Needs the permission {op.needs}. Roles that have it: {', '.join(roles)}; scopes: {', '.join(scopes)}."


def _described(op: Operation, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    summary, description = summary_of(op)
    described: dict[str, Any] = {
        "operationId": f"{op.method.lower()}_{'_'.join(_words(op.path))}",
        "summary": summary,
        "description": f"{description}\n\n{needs_of(op)}".strip(),
        "tags": [next(iter(_words(op.path)), "root")],
        "parameters": [*_path_parameters(op.path), *map(_parameter, op.parameters)],
        "responses": _responses(op, schema_of),
        "security": [] if op.needs is None else [{"key": []}, {"session": []}],
    }
    if op.body is not None:
        content = {kind: _content(op, kind, schema_of) for kind in op.content_types}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _content(op: Operation, media_type: str, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """A body of one media type: JSON by its type, text as text, and files of others as whatever they are."""
    if "json" not in media_type:
        return {"schema": {"type": "string"}} if media_type.startswith("text/") else {}
    content: dict[str, Any] = {"schema": schema_of[id(op.body)]}
    return content if op.example is None else content | {"example": op.example}


def _answer(op: Operation, schema_of: dict[int, dict[str, Any]], status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if op.answer is not None:
        answer["content"] = {op.answer_type: {"schema": schema_of[id(op.answer)]}}
    elif op.answer_type != "application/json":
        answer["content"] = {op.answer_type.partition(";")[0]: {"schema": {"type": "string"}}}
    return answer


def _responses(op: Operation, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Every status that an operation answers: its own, those that follow from what it reads, the others it names."""
    refusals = {status for status in op.also if status >= 400}
    if op.needs is not None:
        refusals |= {401, 403, 503}
    if op.body is not None:
        refusals |= {400, 413, 415, 422}
    if op.parameters:
        refusals.add(400)
    if _VARIABLE.search(op.path):
        refusals |= {400} if op.method == "PUT" else {400, 404}
    empty = {str(status): {"description": HTTPStatus(status).phrase} for status in sorted(op.also) if status < 400}
    refused = {str(status): _problem(status) for status in sorted(refusals)}
    full = {str(status): _answer(op, schema_of, status) for status in (op.status, *op.alike)}
    return full | empty | refused


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(name="Problem")}
    return {"description": HTTPStatus(status).phrase, "content": {"application/problem+json": {"schema": schema}}}


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name in _VARIABLE.findall(path):
        schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}
        yield {"name": name, "in": "path", "required": True, "schema": schema, "example": example_of(name)}


def example_of(variable: str) -> str:
    """What may stand for a variable of a path."""
    return _EXAMPLES.get(variable, "1")


def path_example(op: Operation) -> str:
    """An operation's path as it may be called."""
    return _VARIABLE.sub(lambda found: example_of(found[1]), op.path)


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.doc,
        "required": False,
        "schema": parameter.schema,
    }


def _words(path: str) -> list[str]:
    return [word for word in re.findall(r"\w+", path) if word not in _SKIPPED_WORDS]

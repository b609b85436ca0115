"""OpenAPI 3.1 of the operations, read off their declarations and types, so that it cannot fall behind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from gateway.web.auth import CSRF_HEADER, SESSION_COOKIE
from gateway.web.operations import Operation, Parameter
from gateway.web.permissions import holders

_REFERENCE = "#/components/schemas/{name}"
_VARIABLE = re.compile(r"{(\w+)}")
_SKIPPED_WORDS = {"v1"}

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
                    "description": f"A console's session; what changes something also sends {CSRF_HEADER}.",
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
        "responses": {str(op.status): _answer(op, schema_of), "default": _problem()},
        "security": [] if op.needs is None else [{"key": []}, {"session": []}],
    }
    if op.body is not None:
        content: dict[str, Any] = {"schema": schema_of[id(op.body)]}
        if op.example is not None:
            content["example"] = op.example
        described["requestBody"] = {"required": True, "content": dict.fromkeys(op.content_types, content)}
    return described


def _answer(op: Operation, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(op.status).phrase}
    if op.answer is not None:
        answer["content"] = {op.answer_type: {"schema": schema_of[id(op.answer)]}}
    elif op.answer_type != "application/json":
        answer["content"] = {op.answer_type.partition(";")[0]: {"schema": {"type": "string"}}}
    return answer


def _problem() -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(name="Problem")}
    return {"description": "Refused.", "content": {"application/problem+json": {"schema": schema}}}


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name in _VARIABLE.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


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

"""What a client sent as rows of named values, whichever way it packed them: query, form, JSON or CSV. Pure."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from gateway.ingest.clients.calls import Call

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 1_000
"""More fields than any client sends; parse_qsl refuses past it."""

Row = Mapping[str, Any]


class NotRows(Exception):
    """The body holds nothing of the kind; the message says why."""


def document_of(call: Call) -> Any:
    """The body as JSON. Raises NotRows."""
    try:
        return json.loads(call.body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotRows(f"the body is not JSON: {error}") from None


def rows_of(call: Call) -> list[Row]:
    """The call's rows; members of the query stand in every row that does not name them itself. Raises NotRows."""
    body = call.body.strip()
    if not body:
        return [call.query] if call.query else []
    if call.content_type in {"text/csv", "application/csv"}:
        found: list[Row] = list(csv.DictReader(_text(body).splitlines()))
    elif body[:1] in {b"{", b"["}:
        document = document_of(call)
        rows = document if isinstance(document, list) else [document]
        found = [row if isinstance(row, dict) else {"": row} for row in rows]
    else:
        found = [form_of(body)]
    return [{**call.query, **row} for row in found]


def form_of(body: bytes) -> Row:
    """A form's fields, the last of repeated names. Raises NotRows."""
    try:
        return dict(parse_qsl(_text(body), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
    except ValueError as error:
        raise NotRows(f"the body is no form: {error}") from None


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotRows(f"the body is not UTF-8: byte {error.start} cannot be read") from None

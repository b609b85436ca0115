"""The API's own description: /openapi.json for machines, /docs for people."""

from __future__ import annotations

import html
import json
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web

from gateway.web.openapi import document_of, needs_of, path_example, summary_of
from gateway.web.operations import ALL, Operation, operation

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "code,pre{font:14px/1.5 ui-monospace,monospace}pre{overflow:auto;padding:.75rem;border:1px solid #8884;"
    "border-radius:.4rem}h2{margin-top:2.5rem;font-size:1.1rem}table{border-collapse:collapse}"
    "td{padding:.15rem .8rem .15rem 0;vertical-align:top}"
)


@operation("GET", "/openapi.json", answer=dict[str, object])
async def get_openapi(request: web.Request) -> web.StreamResponse:
    """Get this API as an OpenAPI 3.1 document."""
    operations = request.app[ALL]
    return web.json_response(document_of(operations, package_version()))


@operation("GET", "/docs", answer_type="text/html")
async def get_pages(request: web.Request) -> web.StreamResponse:
    """Read this API: every operation with its parameters and an example."""
    origin = f"{request.scheme}://{request.host}"
    parts = "".join(_section(op, origin) for op in request.app[ALL])
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>geopush API</title><style>{_STYLE}</style><h1>geopush API</h1>"
        f'<p>The same for machines: <a href="/openapi.json">/openapi.json</a></p>{parts}</html>'
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": policy})


OPERATIONS = (get_openapi, get_pages)


def package_version() -> str:
    """The installed distribution's version; "0" where it runs from the tree."""
    try:
        return version("geopush-gateway")
    except PackageNotFoundError:
        return "0"


def _section(op: Operation, origin: str) -> str:
    summary, description = summary_of(op)
    rows = "".join(f"<tr><td><code>{html.escape(p.name)}</code><td>{html.escape(p.doc)}" for p in op.parameters)
    table = f"<table>{rows}</table>" if rows else ""
    return (
        f"<h2><code>{op.method} {html.escape(op.path)}</code></h2><p>{html.escape(summary)}</p>"
        f"<p>{html.escape(description)}</p><p>{html.escape(needs_of(op))}</p>{table}{_example(op, origin)}"
    )


def _example(op: Operation, origin: str) -> str:
    lines = [f"curl -X {op.method} '{origin}{path_example(op)}'"]
    if op.needs is not None:
        lines.append('-H "Authorization: Bearer $GEOPUSH_KEY"')
    if op.example is not None:
        lines.append(f"-H 'Content-Type: {op.content_types[0]}'")
        lines.append(f"-d '{json.dumps(op.example, indent=2, ensure_ascii=False)}'")
    command = " \\\n  ".join(lines)
    return f"<pre>{html.escape(command)}</pre>"

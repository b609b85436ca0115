"""The gateway's HTTP API as the demo uses it: one JSON call, and the stream of what happens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from gateway.errors import Unavailable


class Api:
    """Calls one gateway with one API key over one session's keep-alive connections."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        """``url`` is the origin without a trailing slash."""
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def call(self, method: str, path: str, document: Any = None) -> Any:
        """Send ``document`` as JSON; returns the JSON answer. Raises Unavailable with the problem's own words."""
        try:
            async with self._session.request(
                method, self._url + path, json=document, headers=self._headers
            ) as response:
                text = await response.text()
        except aiohttp.ClientError as error:
            raise Unavailable(f"{method} {path}: {error}") from error
        if response.status >= 400:
            raise Unavailable(f"{method} {path} answered {response.status}: {text}")
        return json.loads(text) if response.content_type.endswith("json") and text else text

    async def activity(self) -> AsyncIterator[dict[str, Any]]:
        """Every event of ``GET /v1/activity`` (server-sent events) until the gateway ends the stream."""
        timeout = aiohttp.ClientTimeout(total=None)
        url = self._url + "/v1/activity"
        try:
            async with self._session.get(url, headers=self._headers, timeout=timeout) as response:
                response.raise_for_status()
                async for line in response.content:
                    if line.startswith(b"data:"):
                        yield json.loads(line[5:])
        except aiohttp.ClientError as error:
            raise Unavailable(f"GET /v1/activity: {error}") from error

"""The one door to the HTTP client (pyqwest: reqwest and hyper): a POST in, a reply or the reason why there is none.

A client keeps one connection per host and multiplexes over it; GOAWAY, RST_STREAM and flow control are its business.
What it does not notice is a peer that has gone silent: after a few timeouts in a row with no reply between them the
client is replaced, and with it the connection, while requests already under way end on the old one.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pyqwest

from gateway.delivery.channel import Outcome, Status
from gateway.delivery.turns import Turns
from gateway.errors import ConfigError

os.environ.setdefault("TOKIO_WORKER_THREADS", "1")
# The client's own threads, begun with its first use: one keeps up with ten thousand pushes a second. One for each core
# wake each other for work that the first has done already: a sixth more CPU time at 300 pushes a second.

CONNECT_TIMEOUT_S: Final = 5.0
"""TCP and TLS to either provider take well under a second."""

IDLE_TIMEOUT_S: Final = 3600.0
"""Apple asks to keep connections open; both providers close those they do not want."""

MAX_SILENCES: Final = 3
"""Timeouts in a row without any reply after which the connection is held to be dead."""

ALONE_AT_ONCE: Final = 4
"""Suspects sent at once, each on a connection of its own: after an outage there may be hundreds, and one culprit."""

REPLIES_PER_TURN: Final = 32
"""Replies gone on with in one turn of the event loop: 2 ms of work, with the requests that then get their slot."""

_ADDRESS: Final = re.compile(r" for url \([^)]*\)")


class Reply(msgspec.Struct, frozen=True):
    """An answer, complete. Headers and body are made into Python's own only when someone asks: of a 200 nobody does."""

    status: int
    response: pyqwest.FullResponse

    @property
    def headers(self) -> pyqwest.Headers:
        """All of them."""
        return self.response.headers

    @property
    def body(self) -> bytes:
        """All of it."""
        return self.response.content

    def header(self, name: str) -> str | None:
        """The header's value, looked up without regard to case, or None."""
        return self.response.headers.get(name)


class NoReply(msgspec.Struct, frozen=True):
    """Why there is none: ``timeout``, ``refused`` (never left), ``reset`` or ``protocol``."""

    code: str
    detail: str = ""

    def outcome(self, provider: str) -> Outcome:
        """Try again; the request may have arrived unless it never left."""
        return Outcome(
            status=Status.RETRY,
            provider=provider,
            code=self.code,
            detail=self.detail,
            is_in_doubt=self.code != "refused",
            broke_connection=self.code in {"reset", "protocol"},
        )


class Http2:
    """Posts to one provider."""

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        certificate_file: Path | None = None,
        timeout_s: float = 10.0,
        only_http2: bool = True,
        addresses: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """``ca_file`` replaces the system's authorities; ``certificate_file`` (PEM, both halves) identifies us.

        ``timeout_s`` bounds a request from its start to the end of its reply, connecting included. ``only_http2``
        False leaves the version to the server. ``addresses`` are used for their hosts instead of asking DNS.
        """
        self._ca = _read(ca_file)
        self._certificate = _read(certificate_file)
        self._timeout_s = timeout_s
        self._version = pyqwest.HTTPVersion.HTTP2 if only_http2 else None
        self._addresses = addresses
        self._silences = 0
        self._turns = Turns(REPLIES_PER_TURN)
        self._alone = asyncio.Semaphore(ALONE_AT_ONCE)
        self._spares: list[pyqwest.HTTPTransport] = []
        self._client = self._new_client()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, alone: bool = False) -> Reply | NoReply:
        """One POST, once, on the shared connection or on one of its own. Raises nothing but CancelledError."""
        if alone:
            return await self._post_alone(url, headers, body)
        return await self._post(self._client, url, headers, body)

    async def _post_alone(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply | NoReply:
        """On a spare connection that nobody else uses meanwhile; one under which a reply fails is not used again."""
        async with self._alone:
            # Reading the system's authorities takes many milliseconds, which the event loop has not.
            spare = self._spares.pop() if self._spares else await asyncio.to_thread(self._new_transport)
            reply: Reply | NoReply | None = None
            try:
                reply = await self._post(pyqwest.Client(spare), url, headers, body)
            finally:
                if isinstance(reply, Reply):
                    self._spares.append(spare)
                else:
                    await spare.aclose()
            return reply

    async def _post(self, client: pyqwest.Client, url: str, headers: Mapping[str, str], body: bytes) -> Reply | NoReply:
        try:
            response = await client.post(url, headers, body)
        except pyqwest.ConnectTimeout as error:
            return NoReply("refused", _words(error))
        except TimeoutError as error:
            self._heard_nothing(client)
            return NoReply("timeout", _words(error))
        except ConnectionError as error:
            return NoReply("refused", _words(error))
        except (pyqwest.ReadError, pyqwest.WriteError, pyqwest.StreamError) as error:
            return NoReply("reset", _words(error))
        except Exception as error:  # noqa: BLE001 - whatever the peer provokes in the client is its answer
            return NoReply("protocol", f"{type(error).__name__}: {_words(error)}")
        if client is self._client:
            self._silences = 0
        await self._turns.turn()
        return Reply(response.status, response)

    async def close(self) -> None:
        """Closes the connections."""
        for transport in (self._transport, *self._spares):
            await transport.aclose()

    def _heard_nothing(self, client: pyqwest.Client) -> None:
        if client is self._client:
            self._silences += 1
            if self._silences >= MAX_SILENCES:
                self._client = self._new_client()

    def _new_client(self) -> pyqwest.Client:
        self._silences = 0
        self._transport = self._new_transport()
        return pyqwest.Client(self._transport)

    def _new_transport(self) -> pyqwest.HTTPTransport:
        return pyqwest.HTTPTransport(
            tls_ca_cert=self._ca,
            tls_include_system_certs=self._ca is None,
            tls_key=self._certificate,
            tls_cert=self._certificate,
            http_version=self._version,
            dns_overrides=self._addresses,
            timeout=self._timeout_s,
            connect_timeout=min(CONNECT_TIMEOUT_S, self._timeout_s),
            pool_idle_timeout=IDLE_TIMEOUT_S,
            use_system_dns=True,
            enable_gzip=False,  # replies of a hundred bytes: what would be saved is less than what asking for it costs
            enable_brotli=False,
            enable_zstd=False,
            follow_redirects=False,
            enable_otel=False,
        )


def _words(error: Exception) -> str:
    """The client's own words without the address: APNs carries the device token in it."""
    return _ADDRESS.sub("", str(error)).removeprefix("Request failed: ")


def _read(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error

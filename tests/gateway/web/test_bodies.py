"""Bodies are read within bounds, whatever they claim to be."""

import gzip
import resource
import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
import zstandard
from aiohttp import web

from gateway.errors import BadRequest, TooLarge, UnsupportedMediaType
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.web.bodies import read_body, unpack
from gateway.web.operations import operation, serve
from gateway.web.server import make_runner
from tests.gateway.web.bare import bare_application

LIMIT = 100_000


@pytest.fixture
async def url() -> AsyncIterator[str]:
    @operation("POST", "/")
    async def echo_length(request: web.Request) -> web.StreamResponse:
        return web.json_response(len(await read_body(request, LIMIT, 2 * LIMIT)))

    app = bare_application(Settings(), Metrics())
    serve(app, [echo_length])
    runner = make_runner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def post(url: str, body: object, encoding: str | None = None) -> tuple[int, object]:
    headers = {"Content-Encoding": encoding} if encoding else {}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("identity", bytes),
        (None, bytes),
    ],
)
async def test_a_body_arrives_unpacked(url: str, encoding: str | None, pack: object) -> None:
    assert await post(url, pack(b"x" * 50_000), encoding) == (200, 50_000)  # type: ignore[operator]


async def test_packed_bodies_may_be_larger_once_unpacked(url: str) -> None:
    assert await post(url, gzip.compress(b"x" * 2 * LIMIT), "gzip") == (200, 2 * LIMIT)


async def test_a_body_over_the_limit_is_refused_by_its_declared_length(url: str) -> None:
    status, problem = await post(url, b"x" * (LIMIT + 1))
    assert (status, problem["code"], problem["limit_bytes"]) == (413, "too_large", LIMIT)  # type: ignore[index]


async def test_a_body_of_50_mb_without_a_length_is_refused_and_never_held(url: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 1_000_000

    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, problem = await post(url, endless())
    assert (status, problem["code"]) == (413, "too_large")  # type: ignore[index]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 20_000


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_bomb_costs_the_memory_of_one_limit(url: str, encoding: str) -> None:
    pack = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}[encoding]
    bomb = pack(bytes(80_000_000))
    assert len(bomb) < LIMIT
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, problem = await post(url, bomb, encoding)
    assert (status, problem["code"]) == (413, "too_large")  # type: ignore[index]
    assert "unpacked" in problem["detail"]  # type: ignore[index]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 20_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize("cut", [-4, 5, 0])
def test_a_broken_or_cut_packing_is_refused(encoding: str, cut: int) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.ZstdCompressor().compress}[encoding]
    whole = pack(bytes(range(256)) * 4)
    with pytest.raises(BadRequest, match="cannot be unpacked"):
        unpack(whole[:cut] if cut else b"not packed at all", encoding, 10_000)


def test_an_unknown_packing_is_told_the_known_ones() -> None:
    with pytest.raises(UnsupportedMediaType, match="gzip, deflate, zstd"):
        unpack(b"", "br", 10)


def test_the_limit_is_the_largest_body_that_passes() -> None:
    assert len(unpack(gzip.compress(bytes(100)), "gzip", 100)) == 100
    with pytest.raises(TooLarge):
        unpack(gzip.compress(bytes(101)), "gzip", 100)

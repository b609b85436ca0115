"""A real browser (Debian's Chromium) for the console's tests, and the console built from the present sources."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from gateway.console.serve import DIST
from gateway.store.embedded import EmbeddedRedis
from tests.console.canned import CannedGateway, real_stores
from tests.console.served import Served, serving
from tests.patience import PATIENCE_S

CONSOLE = DIST.parent
CHROMIUM_FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session", autouse=True)
def built_console() -> Path:
    """The built console; built anew where a source is younger."""
    sources = [*(CONSOLE / "src").rglob("*"), *(CONSOLE / name for name in ("index.html", "package-lock.json"))]
    newest = max(source.stat().st_mtime for source in sources)
    index = DIST / "index.html"
    if not index.is_file() or index.stat().st_mtime < newest:
        npm = shutil.which("npm")
        assert npm, "the console is not built and npm is not installed: install Node 18 or newer, then run make test"
        if not (CONSOLE / "node_modules").is_dir():
            subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=CONSOLE, check=True)
        subprocess.run([npm, "run", "build"], cwd=CONSOLE, check=True)
    return DIST


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests; WebGL in software, so that the map draws without a graphics card."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable, "the console's tests need a browser: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A fresh tab at desktop width. It fails the test if the page throws, or if the browser blocks anything it does."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_S * 1000)
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield page
    await context.close()
    assert not faults


@pytest_asyncio.fixture(loop_scope="session")
async def canned() -> AsyncIterator[CannedGateway]:
    """A gateway with 40 real stores and nothing happening but what the test tells."""
    gateway = CannedGateway(real_stores(40), [{"id": "cafe-lunch", "name": "Lunch at the cafés", "status": "active"}])
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def console_redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """One Redis for all tests; each begins by emptying it."""
    server = await EmbeddedRedis.start(tmp_path_factory.mktemp("redis"))
    yield server.url
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def served(console_redis_url: str) -> AsyncIterator[Served]:
    """A real gateway with real stores, nobody in it, and no sender."""
    async with serving(console_redis_url, run_sender=False) as served:
        yield served

"""A real `lipstream up` with two avatars, as a user starts it, and a page in a real browser."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

import gateway
from tests.e2e.browser import SLOW_MS, chromium, record_faults
from tests.e2e.processes import lipstream, redis_server, two_avatars
from tests.e2e.recordings import write_wav
from tests.e2e.watching import HEAR, Mouth, eyes_of_demo, mouth_of_demo

CONSOLE = Path(gateway.__file__).with_name("console")
ORIGIN = "http://lipstream.test"


@pytest.fixture(scope="session", autouse=True)
def _patience() -> None:
    """What a page is to show it may show late."""
    expect.set_options(timeout=SLOW_MS)


@pytest.fixture(scope="session")
def avatars_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's avatars are."""
    return two_avatars(tmp_path_factory.mktemp("avatars"))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The bus of the running pipeline."""
    if os.environ.get("LIPSTREAM_TEST_URL"):
        pytest.skip("the pipeline that LIPSTREAM_TEST_URL names has a Redis of its own")
    with redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def lipstream_server(
    request: pytest.FixtureRequest, avatars_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Base URL of a running pipeline; LIPSTREAM_TEST_URL names one that is there already."""
    if url := os.environ.get("LIPSTREAM_TEST_URL"):
        yield url.rstrip("/")
        return
    redis_url, log = request.getfixturevalue("redis_url"), tmp_path_factory.mktemp("up") / "log"
    with lipstream("up", redis_url, log, avatars="demo,other", avatars_dir=avatars_dir) as url:
        yield url


@pytest.fixture(scope="session")
def url(lipstream_server: str) -> str:
    """Where the console is."""
    return lipstream_server


@pytest.fixture(scope="session")
def mouth(url: str) -> Mouth:
    """The demo's mouth at rest."""
    return mouth_of_demo(url)


@pytest.fixture(scope="session")
def eyes(url: str) -> Mouth:
    """Where in its template the demo's head is."""
    return eyes_of_demo(url)


@pytest.fixture(scope="session")
def spoken_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone hears."""
    return write_wav(tmp_path_factory.mktemp("microphone") / "speech.wav", 11)


@pytest.fixture
async def page(url: str, spoken_wav: Path) -> AsyncIterator[Page]:
    """An empty page; a console error, an exception or an unhandled rejection in it fails the test."""
    async with chromium(spoken_wav) as browser:
        page = await browser.new_page(viewport={"width": 640, "height": 760})
        faults = record_faults(page, (url, "blob:", "data:"))
        await page.add_init_script(HEAR)
        yield page
    assert faults == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def blank() -> AsyncIterator[Page]:
    """A page that has the console's modules, and nothing else."""

    async def serve(route: Route) -> None:
        path = CONSOLE / route.request.url.removeprefix(ORIGIN).lstrip("/")
        await (route.fulfill(path=path) if path.is_file() else route.fulfill(body="", content_type="text/html"))

    async with chromium() as browser:
        page = await browser.new_page()
        await page.route("**/*", serve)
        await page.goto(ORIGIN)
        yield page

"""The Python that the pages and the client show, run as it stands there against a live pipeline."""

import asyncio
import re
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import lipstream_client
from tests.pipeline import Pipeline, running

ROOT = Path(__file__).parents[2]
ADDRESS = "ws://127.0.0.1:3000"
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^(?: {4}.*)?\n)+", re.MULTILINE)


@pytest.fixture
async def pipeline(redis_server: str, avatars_folder: Path) -> AsyncIterator[Pipeline]:
    async with running(redis_server, avatars_folder) as made:
        yield made


def examples() -> dict[str, str]:
    """Every example by where it stands; that of protocol.md is a whole client, which `test_protocol.py` runs."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = {page.name: block for page in pages for block in _BLOCK.findall(page.read_text(encoding="utf-8"))}
    del found["protocol.md"]
    client = max(_INDENTED.findall(lipstream_client.__doc__ or ""), key=len)
    return found | {"lipstream_client": textwrap.dedent(client)}


def test_the_pages_show_the_examples_that_are_run() -> None:
    assert list(examples()) == ["getting-started.md", "lipstream_client"]


@pytest.mark.parametrize("name", ["getting-started.md", "lipstream_client"])
async def test_an_example_runs_and_prints_a_line_for_each_frame(
    name: str, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    code = examples()[name]
    assert ADDRESS in code
    assert '"demo"' in code
    here = code.replace(ADDRESS, pipeline.url.removesuffix("/ws")).replace('"demo"', '"tiny"')
    # In a thread of its own, since it brings an event loop.
    await asyncio.to_thread(exec, compile(here, name, "exec"), {"__name__": "__main__"})
    printed = [[int(word) for word in line.split()] for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in printed] == [[frame, 40_000 * frame] for frame in range(25)]
    assert min(size for *_, size in printed) > 500

"""The demo avatar through a pipeline of real processes: the stream is the renderer's, byte for byte."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "gateway" / "console" / "sample.flac"


def lipstream(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "cli", *arguments], check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("rendered")
    lipstream("render", str(SAMPLE), "--frames", str(folder))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_renderer_gives_every_frame_of_the_recording(rendered: dict[str, bytes]) -> None:
    assert sorted(rendered) == [f"{frame:06d}.jpg" for frame in range(275)]


@pytest.mark.parametrize("pace", [["--fast"], ["--fast", "--chunk-ms", "97"], ["--realtime", "--chunk-ms", "40"]])
def test_the_stream_is_byte_identical_to_the_renderer(
    lipstream_server: str, rendered: dict[str, bytes], tmp_path: Path, pace: list[str]
) -> None:
    url = lipstream_server.replace("http", "ws") + "/ws"
    lipstream("stream", str(SAMPLE), "--url", url, "--frames", str(tmp_path), *pace)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == rendered

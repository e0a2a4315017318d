"""What the tests of the command share."""

import socket
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from common.settings import Settings, load

SECOND_HZ = 24_000


@pytest.fixture
def settings(avatars_folder: Path, tmp_path: Path) -> Settings:
    """The defaults, with the avatars of the tests."""
    return load(env_file=tmp_path / "none", avatars_dir=avatars_folder, avatars=("tiny",))


@pytest.fixture(scope="session")
def speech() -> NDArray[np.int16]:
    """One second at 24 kHz: a gliding tone with pauses."""
    time_s = np.arange(SECOND_HZ) / SECOND_HZ
    loudness = np.maximum(0, np.sin(2 * np.pi * 3 * time_s))
    return (9_000 * loudness * np.sin(2 * np.pi * (200 + 400 * time_s) * time_s)).astype(np.int16)


@pytest.fixture(scope="session")
def speech_file(tmp_path_factory: pytest.TempPathFactory, speech: NDArray[np.int16]) -> Path:
    """The same as a WAV file."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=SECOND_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(speech[None, :], format="s16", layout="mono")
        frame.sample_rate = SECOND_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]

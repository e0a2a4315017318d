"""A recording of a tiny avatar, made without a gateway: its frames are those of the renderer."""

from pathlib import Path
from typing import Any

import numpy as np

from common.avatars.digest import digest_of
from common.avatars.package import load
from common.recording.hashes import hash_of
from common.recording.recording import Recording, read
from common.recording.records import Frame, Input, Record, Segment
from common.settings import Settings
from tests.unit.common.recording.small import file_of, footer, header
from workers.offline.replay import Offline

FRAMES = 10


def recorded(folder: Path, **changes: Any) -> bytes:
    """A file: ten frames over template frame 3, flushed."""
    noise = np.random.default_rng(3).normal(0, 6000, FRAMES * 640).astype("<i2").tobytes()
    begun: list[Record] = [
        header(avatar=digest_of(load(folder, "tiny")).model_dump(), **changes),
        Input(0, "audio", 0, 0, noise),
        Segment(0, 0, "tiny", 0, 3, 0),
        Input(400, "flush", FRAMES * 640, 0),
        Segment(0, 0, "tiny", 0, 3, 0, FRAMES * 640),
    ]
    blank = [Frame(40 * k, 0, k, 0, bytes(8)) for k in range(FRAMES)]
    shown = offline(folder).run(read([file_of(*begun, *blank)]))
    frames = [frame._replace(hash=hash_of(each.picture)) for frame, each in zip(blank, shown, strict=True)]
    return file_of(*begun, *frames, footer(frames))


def recording(folder: Path, **changes: Any) -> Recording:
    return read([recorded(folder, **changes)])


def offline(folder: Path) -> Offline:
    return Offline(Settings(avatars=("tiny",)), lambda name: load(folder, name))

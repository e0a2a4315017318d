"""What everything but the networks costs a frame, and how much of what ONNX Runtime alone can do is left.

    python -m bench.overhead [--seconds 12] [--rounds 3] [--json]

**Pipeline overhead**: the latency of a live session's frames with networks that copy their input
(`bench/null_avatar.py`), beside that of the demo avatar. **Efficiency**: the frames a second of sessions that send as
fast as the server takes it, divided by those that the demo avatar's two networks make alone, one frame at a time, on
every core at once. Everything in one run, round by round; medians.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

import numpy as np

from bench import null_avatar
from bench.live import Kind, Talk, crowd, speech
from bench.saturation import POURING, outcome_of
from bench.server import running
from common.avatars.package import default_folder, load
from workers.inference.stage import LoadedAvatar, load_avatar

DEMO: Final = "demo"
ALONE_S: Final = 4.0
SETTLING_S: Final = 2.0


class Round(NamedTuple):
    """Milliseconds of latency at the client, and frames a second."""

    null_p50_ms: float
    null_p95_ms: float
    demo_p50_ms: float
    demo_p95_ms: float
    pipeline_fps: float
    alone_fps: float

    @property
    def efficiency(self) -> float:
        return self.pipeline_fps / self.alone_fps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rounds = list(measured(arguments.rounds, arguments.seconds))
    found = {name: median(getattr(each, name) for each in rounds) for name in (*Round._fields, "efficiency")}
    print(json.dumps(found | {"cores": os.cpu_count()}) if arguments.json else as_text(found))


def measured(rounds: int, seconds: float) -> Iterator[Round]:
    with tempfile.TemporaryDirectory() as folder:
        null_avatar.write(Path(folder))
        for _ in range(rounds):
            with running(avatars_dir=folder, avatars=null_avatar.NAME):
                null = _latencies_ms(seconds, null_avatar.NAME)
            with running():
                demo = _latencies_ms(seconds, DEMO)
                pouring = asyncio.run(crowd(speech(2 * seconds), Kind(POURING, pace="lossless")))
            pipeline_fps = outcome_of(pouring, seconds, fps=25).painted_fps
            yield Round(*_p50_and_p95(null), *_p50_and_p95(demo), pipeline_fps, alone_fps())


def _latencies_ms(seconds: float, avatar: str) -> list[float]:
    talks: list[Talk] = asyncio.run(crowd(speech(seconds), Kind(1, avatar=avatar)))
    settled_s = talks[0].begun_s + SETTLING_S
    return [frame.late_ms for frame in talks[0].frames if frame.painted and frame.at_s > settled_s]


def _p50_and_p95(values: list[float]) -> tuple[float, float]:
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[9], cuts[18]


def alone_fps() -> float:
    """Frames a second of both networks, on as many threads as there are cores, each with engines of its own."""
    avatars = [load_avatar(load(default_folder(), DEMO), "cpu", 1) for _ in range(os.cpu_count() or 1)]
    with ThreadPoolExecutor(len(avatars)) as pool:
        return sum(pool.map(_alone_fps, avatars))


def _alone_fps(avatar: LoadedAvatar) -> float:
    manifest, rng = avatar.manifest, np.random.default_rng(0)
    encoder = manifest.audio.encoder
    assert encoder is not None
    window: Any = {encoder.input.name: rng.random((1, *encoder.input.shape), dtype=np.float32)}
    tensors = (manifest.image.tensor, manifest.audio.tensor)
    picture: Any = {each.name: rng.random((1, *each.shape), dtype=np.float32) for each in tensors}
    frames, begun_s = 0, time.perf_counter()
    while time.perf_counter() - begun_s < ALONE_S:
        avatar.encoder.run(window)
        avatar.painter.run(picture)
        frames += 1
    return frames / (time.perf_counter() - begun_s)


def as_text(found: dict[str, float]) -> str:
    return "\n".join(
        [
            f"cores              {os.cpu_count()}",
            f"networks that copy p50 {found['null_p50_ms']:.1f} ms, p95 {found['null_p95_ms']:.1f}: the overhead",
            f"demo avatar        p50 {found['demo_p50_ms']:.1f} ms, p95 {found['demo_p95_ms']:.1f}",
            f"frames a second    {found['pipeline_fps']:.0f} through the pipeline, {found['alone_fps']:.0f} alone",
            f"efficiency         {found['efficiency']:.2f}",
        ]
    )


if __name__ == "__main__":
    main()

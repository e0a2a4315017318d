"""The whole pipeline with the demo avatar: live sessions at 25 fps, their latency, and the renderer's speed.

    python -m bench.pipeline [--sessions 2] [--seconds 20] [--json]

`lipstream up` runs as a user starts it (an inference worker for each core, up to four, and one of each other stage);
each session sends the sample in 40 ms chunks on the clock, as a microphone does. Latency is the gateway's own: last
needed sample received -> frame handed to the socket. The model alone, with the same ONNX Runtime on one thread, stands
beside it.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np

from bench.server import URL, running
from common.avatars.package import default_folder, load
from lipstream_client import connect
from workers.inference.stage import load_avatar
from workers.offline.media import read_audio

CHUNK_MS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"cores": os.cpu_count(), "model": measure_model()}
    report["live"] = [measure_live(arguments.sessions, arguments.seconds, in_step) for in_step in (False, True)]
    report["render"] = measure_render()
    print(json.dumps(report) if arguments.json else as_text(report))


def measure_model() -> dict[str, float]:
    """Milliseconds a frame of the two networks alone, one thread, batch 1."""
    avatar = load_avatar(load(default_folder(), "demo"), "cpu", 1)
    manifest = avatar.manifest
    rng = np.random.default_rng(0)
    assert manifest.audio.encoder is not None
    figures = {}
    for name, engine, inputs in (
        ("encoder_ms", avatar.encoder, [manifest.audio.encoder.input]),
        ("painter_ms", avatar.painter, [manifest.image.tensor, manifest.audio.tensor]),
    ):
        feeds: dict[str, Any] = {t.name: rng.random((1, *t.shape), dtype=np.float32) for t in inputs}
        times = []
        for _ in range(60):
            start_s = time.perf_counter()
            engine.run(feeds)
            times.append((time.perf_counter() - start_s) * 1000)
        figures[name] = round(median(times), 2)
    return figures


def measure_live(sessions: int, seconds: float, in_step: bool) -> dict[str, Any]:
    """Frame rate, latency and concealment of live sessions side by side.

    In step, all sessions send at the same instants, the worst case: each frame waits for those of the others.
    """
    with running():
        results = asyncio.run(_talk(sessions, seconds, 0.0 if in_step else CHUNK_MS / 1000 / sessions))
    latencies = sorted(latency for result in results for latency in result["latencies_ms"])
    cuts = quantiles(latencies, n=100, method="inclusive")
    return {
        "sessions": sessions,
        "in_step": in_step,
        "fps": [round(result["frames"] / result["seconds"], 2) for result in results],
        "concealed": sum(result["concealed"] for result in results),
        "server_p95_ms": [result["server_p95_ms"] for result in results],
        "client_p50_ms": round(cuts[49], 1),
        "client_p95_ms": round(cuts[94], 1),
        "client_p99_ms": round(cuts[98], 1),
    }


async def _talk(sessions: int, seconds: float, apart_s: float) -> list[dict[str, Any]]:
    clip = read_audio(Path(str(files("gateway") / "console" / "sample.flac")))
    repeats = int(seconds // clip.duration_s) + 1
    pcm = (clip.pcm * repeats)[: int(seconds * clip.rate_hz) * 2]
    jobs = (_session(pcm, clip.rate_hz, delay_s=k * apart_s) for k in range(sessions))
    return list(await asyncio.gather(*jobs))


async def _session(pcm: bytes, rate_hz: int, delay_s: float) -> dict[str, Any]:
    """Send on the clock; a frame's latency counts from when the chunk with its last needed sample was sent."""
    await asyncio.sleep(delay_s)
    chunk_bytes = rate_hz * CHUNK_MS // 1000 * 2
    async with connect(URL, avatar="demo", sample_rate=rate_hz, pace="live") as session:
        sent_s: list[float] = []
        lookahead_frames = -(-session.started.lookahead_ms // CHUNK_MS)
        latencies_ms: list[float] = []

        async def send() -> None:
            start_s = time.monotonic()
            for number, position in enumerate(range(0, len(pcm), chunk_bytes)):
                await asyncio.sleep(max(0.0, start_s + number * CHUNK_MS / 1000 - time.monotonic()))
                sent_s.append(time.monotonic())
                await session.send_audio(pcm[position : position + chunk_bytes])
            await session.end()

        sending, start_s, frames = asyncio.create_task(send()), time.monotonic(), 0
        async for frame in session.frames():
            frames += 1
            # Chunks are frames long, so frame f needs chunk f + look-ahead, the resampler's 3 ms included.
            needed = int(frame.frame + lookahead_frames)
            if needed < len(sent_s):
                latencies_ms.append((time.monotonic() - sent_s[needed]) * 1000)
        await sending
        assert session.ended is not None
        return {
            "frames": frames,
            "seconds": time.monotonic() - start_s,
            "concealed": session.ended.concealed,
            "latencies_ms": latencies_ms,
            "server_p95_ms": session.stats.latency_ms["p95"] if session.stats and session.stats.latency_ms else None,
        }


def measure_render() -> dict[str, Any]:
    """`lipstream render` of the sample to an MP4, whole process, median of three."""
    sample = str(files("gateway") / "console" / "sample.flac")
    factors = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cli", "render", sample, "-o", f"{folder}/out.mp4", "--json"]
        for _ in range(3):
            start_s = time.monotonic()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            duration_s = json.loads(done.stdout)["duration_s"]
            factors.append(duration_s / (time.monotonic() - start_s))
    return {"realtime_factor": round(median(factors), 2)}


def as_text(report: dict[str, Any]) -> str:
    model = report["model"]
    lines = [
        f"cores                 {report['cores']}",
        f"model alone           encoder {model['encoder_ms']} ms, painter {model['painter_ms']} ms a frame",
        f"render                {report['render']['realtime_factor']} x real time, start-up included",
    ]
    for live in report["live"]:
        lines += [
            f"{live['sessions']} live sessions {'in step' if live['in_step'] else 'spread'}",
            f"  frames              {live['fps']} fps, {live['concealed']} concealed",
            f"  latency, server     p95 {live['server_p95_ms']} ms",
            f"  latency, client     p50 {live['client_p50_ms']}, p95 {live['client_p95_ms']}, "
            f"p99 {live['client_p99_ms']} ms",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

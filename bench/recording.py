"""What recording costs: the throughput of recorded sessions beside that of sessions which are not, in one run.

    python -m bench.recording [--sessions 4] [--seconds 20] [--rounds 5] [--json]

`lipstream up` runs once with `record=asked`. Lossless sessions send audio as fast as the gateway takes it, in turns
recorded and not, so that whatever else the machine does meets both. The ratio is that of the medians of frames
a second. Beside it stands the processor time a frame, of the gateway and of everything: what a machine that is full can
bear is inverse to the latter, and it does not depend on who else is busy.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench.server import URL, running
from lipstream_client import connect
from workers.offline.media import read_audio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measure(arguments.sessions, arguments.seconds, arguments.rounds)
    print(json.dumps(report) if arguments.json else as_text(report))


def measure(sessions: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Frames a second of both kinds, round by round."""
    clip = read_audio(Path(str(files("gateway") / "console" / "sample.flac")))
    pcm = (clip.pcm * (int(seconds // clip.duration_s) + 1))[: int(seconds * clip.rate_hz) * 2]
    fps: dict[bool, list[float]] = {False: [], True: []}
    gateway_ms: dict[bool, list[float]] = {False: [], True: []}
    all_ms: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder, running(record="asked", recordings_url=folder):
        everything = psutil.Process().children(recursive=True)
        gateway = [process for process in everything if process.cmdline()[-1:] == ["gateway"]]
        asyncio.run(_talk(pcm, clip.rate_hz, sessions, record=True))
        for number in range(2 * rounds):
            record = number % 4 in (1, 2)  # first one, then the other: no drift favours either
            before_s, begun_s = (_cpu_s(gateway), _cpu_s(everything)), time.monotonic()
            frames = asyncio.run(_talk(pcm, clip.rate_hz, sessions, record=record))
            fps[record].append(frames / (time.monotonic() - begun_s))
            gateway_ms[record].append((_cpu_s(gateway) - before_s[0]) * 1000 / frames)
            all_ms[record].append((_cpu_s(everything) - before_s[1]) * 1000 / frames)
        size_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
        recorded_s = seconds * sessions * (rounds + 1)
    return {
        "sessions": sessions,
        "seconds": seconds,
        "fps": round(median(fps[False]), 1),
        "fps_recorded": round(median(fps[True]), 1),
        "throughput_ratio": round(median(fps[True]) / median(fps[False]), 4),
        "ratios": sorted(round(on / off, 3) for on, off in zip(fps[True], fps[False], strict=True)),
        "gateway_ms": [round(median(gateway_ms[record]), 3) for record in (False, True)],
        "all_ms": [round(median(all_ms[record]), 3) for record in (False, True)],
        "processor_ratio": round(median(all_ms[False]) / median(all_ms[True]), 4),
        "bytes_a_second": round(size_bytes / recorded_s),
    }


async def _talk(pcm: bytes, rate_hz: int, sessions: int, *, record: bool) -> int:
    counts = await asyncio.gather(*(_session(pcm, rate_hz, record=record) for _ in range(sessions)))
    return sum(counts)


async def _session(pcm: bytes, rate_hz: int, *, record: bool) -> int:
    async with connect(URL, avatar="demo", sample_rate=rate_hz, pace="lossless", record=record) as session:

        async def send() -> None:
            step = rate_hz * 40 // 1000 * 2
            for position in range(0, len(pcm), step):
                await session.send_audio(pcm[position : position + step])
            await session.end()

        sending, frames = asyncio.create_task(send()), 0
        async for _ in session.frames():
            frames += 1
        await sending
        return frames


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))


def as_text(report: dict[str, Any]) -> str:
    (off_gateway, on_gateway), (off_all, on_all) = report["gateway_ms"], report["all_ms"]
    return "\n".join(
        [
            f"{report['sessions']} lossless sessions of {report['seconds']:.0f} s, by turns",
            f"  not recorded  {report['fps']} frames/s; processor a frame: gateway {off_gateway} ms, all {off_all} ms",
            f"  recorded      {report['fps_recorded']} frames/s; gateway {on_gateway} ms, all {on_all} ms",
            f"  ratio         {report['throughput_ratio']} of frames/s (rounds {report['ratios']})",
            f"                {report['processor_ratio']} by processor time",
            f"  size          {report['bytes_a_second']} bytes a second of speech",
        ]
    )


if __name__ == "__main__":
    main()

"""What a frame costs each part, measured here and written to a file that `lipstream plan --coefficients` reads.

    python -m bench.coefficients [--avatar demo] [--seconds 8] [--rounds 3] [--file FILE]
    python -m bench.coefficients --provider cuda --gpu H100 --file h100.yaml

`lipstream up` runs as a user starts it, and two live sessions speak, fewer than the machine bears, in three ways: a
message a frame, eight frames in a message, eight messages in a row. These make messages of audio, tasks and frames in
different proportions, and what the parts' processes spend tells what each of them costs. What they spend while nobody
speaks is taken off. Of several rounds the cheapest count: other programs only add. The cores are kept awake meanwhile,
as those of a busy machine are; how much more a frame costs when one session leaves them asleep is measured too. On a
GPU its own time is, for batches of several sizes.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from redis import Redis

from bench.alone import batch_cost, package, stream_ms
from bench.awake import awake
from bench.fit import Speech, cheapest, costs_of, dearer
from bench.live import FRAME_MS, Kind, crowd, speech
from bench.server import on_redis
from bench.spent import during, processes, resident_mb
from cli.plan.coefficients import MEASURE, Coefficients, Measurement, Output, default_file, load, save

IDLE_S: Final = 6.0
WARM_UP_S: Final = 4.0
DROWSY: Final = Kind(1)
WAYS: Final = (Kind(2), Kind(2, 8 * FRAME_MS), Kind(2, FRAME_MS, at_once=8))
"""Each frame alone; eight in a message; eight messages in a row. With one session every process sleeps between frames,
with two it finds the next task there."""


class Request(NamedTuple):
    """What to measure, and how thoroughly."""

    avatar: str
    output: Output
    gpu: str | None = None
    seconds: float = 8.0
    rounds: int = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatar", default="demo")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--provider", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--gpu", help="what to call the GPU; needed with --provider cuda")
    parser.add_argument("--file", type=Path, default=default_file())
    arguments = parser.parse_args()
    if (arguments.provider == "cuda") != bool(arguments.gpu):
        parser.error("--provider cuda and --gpu go together")
    known = load(arguments.file) if arguments.file.exists() else Coefficients(measurements=())
    with on_redis(avatars=arguments.avatar, provider=arguments.provider) as redis:
        for output in get_args(Output):
            request = Request(arguments.avatar, output, arguments.gpu, arguments.seconds, arguments.rounds)
            found = measure(redis, request)
            known = known.with_one(found)
            print(as_text(found))
    save(arguments.file, known)


def measure(redis: Redis, request: Request) -> Measurement:
    """One avatar's frames on a running server that nobody else uses."""
    manifest = package(request.avatar).manifest
    asyncio.run(crowd(speech(WARM_UP_S), Kind(1, avatar=request.avatar, output=request.output)))
    drowsily = [_speak(redis, request, DROWSY) for _ in range(request.rounds)]
    with awake():
        _, silence = during(redis, lambda: time.sleep(IDLE_S))
        rounds = [[_speak(redis, request, way) for way in WAYS] for _ in range(request.rounds)]
    heard = [cheapest(each) for each in zip(*([one.speech for one in found] for found in rounds), strict=True)]
    costs = costs_of(heard, silence)
    drowsy = max(1.0, min(dearer(costs, each.speech) for each in drowsily))
    if request.gpu:
        costs["inference"] = batch_cost(request.avatar, "cuda", costs["inference"].task_ms)
    whole, info = drowsily[0].speech.period, _facts(redis)
    return Measurement(
        avatar=request.avatar,
        output=request.output,
        gpu=request.gpu,
        fps=manifest.fps,
        machine=f"{os.cpu_count()} cores of {_processor()}, Redis {info['redis_version']} over a unix socket",
        command=_command(request),
        measured_on=date.today(),
        costs=costs,
        drowsy=round(drowsy, 3),
        processes=len(processes(redis)),
        stream_ms=stream_ms(manifest),
        picture_bytes=round(drowsily[0].picture_bytes),
        redis_in_bytes=round(whole.parts["redis"].in_bytes / whole.frames),
        redis_out_bytes=round(whole.parts["redis"].out_bytes / whole.frames),
        resident_mb=resident_mb(redis),
    )


class _Heard(NamedTuple):
    """Speech, and the mean bytes of its pictures."""

    speech: Speech
    picture_bytes: float


def _speak(redis: Redis, request: Request, way: Kind) -> _Heard:
    clip, kind = speech(request.seconds), way._replace(output=request.output, avatar=request.avatar)
    talks, period = during(redis, lambda: asyncio.run(crowd(clip, kind)))
    sizes = [frame.picture_bytes for talk in talks for frame in talk.frames if frame.painted]
    messages = round(kind.sessions * request.seconds * 1000 / kind.chunk_ms)
    return _Heard(Speech(period, messages), sum(sizes) / len(sizes))


def _command(request: Request) -> str:
    gpu = f" --provider cuda --gpu {request.gpu}" if request.gpu else ""
    return f"{MEASURE} --avatar {request.avatar}{gpu}"


def _facts(redis: Redis) -> Mapping[str, Any]:
    facts: Any = redis.info("server")
    return dict(facts)


def _processor() -> str:
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return " ".join(text.split(":", 1)[1].split())
    return "an unknown processor"


def as_text(found: Measurement) -> str:
    lines = [f"{found.avatar}, output {found.output}, on {found.machine}"]
    for part, cost in found.costs.items():
        lines.append(
            f"  {part:<12} ms: message {cost.message_ms:6.3f}, task {cost.task_ms:6.3f}, frame {cost.frame_ms:6.3f}, "
            f"batch {cost.batch_ms:6.3f}; idle {cost.idle:.2%} of a core"
        )
    moved = f"{found.redis_in_bytes / 1000:.0f} kB in, {found.redis_out_bytes / 1000:.0f} kB out"
    lines.append(f"  a core that slept takes {found.drowsy:.2f} times as long")
    return "\n".join([*lines, f"  Redis        {moved}, picture {found.picture_bytes / 1000:.1f} kB a frame"])


if __name__ == "__main__":
    main()

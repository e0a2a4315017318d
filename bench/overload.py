"""Three times as many sessions as the machine can bear, all at once: who is admitted, and what becomes of those.

    python -m bench.overload [--seconds 20] [--times 3] [--rounds 2] [--capacity N] [--json]

First the capacity: live sessions side by side, one more each time, until fewer than 99 % of their frames are on time;
admission is switched off for that. Then a server with the defaults, on which one session has spoken, is offered three
times as many; those that are refused try again every second. A frame is on time when it reaches its client, as painted,
within `ON_TIME_MS` of the moment at which its last needed sample was sent. The clients share the machine's cores with
the server, and take patches to cost little. Memory is looked at after the first session and after each round.
"""

import argparse
import asyncio
import json
import os
import time
from importlib.resources import files
from pathlib import Path
from statistics import quantiles
from typing import Any, Final, NamedTuple
from urllib.request import urlopen

import numpy as np
import psutil
from redis import Redis

from bench.server import PORT, URL, on_redis
from lipstream_client import Flag, LipstreamClientError, Session, connect
from workers.offline.media import Clip, read_audio

CHUNK_MS: Final = 40
ON_TIME_MS: Final = 250.0
GOOD_SHARE: Final = 0.99
AGAIN_S: Final = 1.0
SESSIONS_MAX: Final = 64


class Talk(NamedTuple):
    """What a session got; `late_ms` has one figure a painted frame."""

    frames_due: int
    late_ms: list[float]

    @property
    def on_time(self) -> int:
        return sum(late <= ON_TIME_MS for late in self.late_ms)


class Crowd(NamedTuple):
    """What many sessions got, and how long each refusal took."""

    talks: list[Talk]
    refused: int
    refusal_ms: list[float]

    @property
    def share(self) -> float:
        return sum(talk.on_time for talk in self.talks) / max(1, sum(talk.frames_due for talk in self.talks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--times", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--capacity", type=int, help="sessions that the machine bears; measured when not given")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    clip = _speech(arguments.seconds)
    steps = [] if arguments.capacity else measure_capacity(clip)
    capacity = arguments.capacity or sum(share >= GOOD_SHARE for share in steps)
    report = {
        "cores": os.cpu_count(),
        "capacity": capacity,
        "on_time_by_sessions": steps,
        "overload": measure_overload(clip, round(capacity * arguments.times), arguments.rounds),
    }
    print(json.dumps(report) if arguments.json else as_text(report))


def measure_capacity(clip: Clip) -> list[float]:
    """The share of frames on time of 1, 2, 3, ... sessions, up to the first number that is too many."""
    shares: list[float] = []
    with on_redis():
        asyncio.run(_crowd(_cut(clip, 3), 1))
        while len(shares) < SESSIONS_MAX and (not shares or shares[-1] >= GOOD_SHARE):
            crowd = asyncio.run(_crowd(clip, len(shares) + 1))
            shares.append(round(crowd.share, 4))
            time.sleep(3)
    return shares


def measure_overload(clip: Clip, offered: int, rounds: int) -> dict[str, Any]:
    """What a warm server with the defaults makes of so many sessions at once, some times over."""
    with on_redis(admit_by_load="true") as redis:
        asyncio.run(_crowd(_cut(clip, 8), 1))
        memory = [_memory(redis)]
        found = []
        for _ in range(rounds):
            time.sleep(6)
            usable_fps = _usable_fps()
            crowd = asyncio.run(_crowd(clip, offered, again=True))
            time.sleep(3)
            memory.append(_memory(redis))
            found.append({"usable_fps": usable_fps} | _as_row(crowd, offered))
    return {"rounds": found, "memory_mb": memory}


def _as_row(crowd: Crowd, offered: int) -> dict[str, Any]:
    late_ms = sorted(late for talk in crowd.talks for late in talk.late_ms)
    return {
        "offered": offered,
        "admitted": len(crowd.talks),
        "refused": crowd.refused,
        "on_time": round(crowd.share, 4),
        "worst_session": round(min((t.on_time / max(1, t.frames_due) for t in crowd.talks), default=0.0), 4),
        "late_ms": _percentiles(late_ms),
        "refusals": len(crowd.refusal_ms),
        "refusal_ms": _percentiles(sorted(crowd.refusal_ms)),
    }


def _percentiles(values: list[float]) -> dict[str, float] | None:
    if len(values) < 2:
        return None
    cuts = quantiles(values, n=20, method="inclusive")
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1), "max": round(values[-1], 1)}


def _usable_fps() -> float:
    """What the gateway would let sessions ask for."""
    with urlopen(f"http://127.0.0.1:{PORT}/api/capacity") as answer:
        return float(json.load(answer)["usable_fps"])


def _memory(redis: Redis) -> dict[str, float]:
    """MB: the resident memory of all the server's processes together, and what Redis itself counts."""
    children = psutil.Process().children(recursive=True)
    info: Any = redis.info("memory")
    return {
        "processes": round(sum(child.memory_info().rss for child in children) / 1e6, 1),
        "redis": round(info["used_memory"] / 1e6, 2),
    }


def _speech(seconds: float) -> Clip:
    """The sample, over and over."""
    return _cut(read_audio(Path(str(files("gateway") / "console" / "sample.flac"))), seconds)


def _cut(clip: Clip, seconds: float) -> Clip:
    return Clip(np.resize(clip.samples, int(seconds * clip.rate_hz)), clip.rate_hz)


async def _crowd(clip: Clip, sessions: int, again: bool = False) -> Crowd:
    """All at once; who is refused goes, or tries again until the time of the others is up."""
    refusal_ms: list[float] = []
    until_s = time.monotonic() + clip.duration_s if again else 0.0
    # Spread over one chunk's time, as independent speakers are.
    visits = (_visit(clip, k * CHUNK_MS / 1000 / sessions, until_s, refusal_ms) for k in range(sessions))
    talks = await asyncio.gather(*visits)
    return Crowd([talk for talk in talks if talk], sum(talk is None for talk in talks), refusal_ms)


async def _visit(clip: Clip, delay_s: float, until_s: float, refusal_ms: list[float]) -> Talk | None:
    await asyncio.sleep(delay_s)
    while True:
        begun_s = time.monotonic()
        try:
            async with connect(URL, sample_rate=clip.rate_hz, pace="live", output="patch") as session:
                return await _talk(session, clip)
        except LipstreamClientError as error:
            if error.code != "at_capacity":
                raise
            refusal_ms.append((time.monotonic() - begun_s) * 1000)
        if time.monotonic() + AGAIN_S > until_s:
            return None
        await asyncio.sleep(AGAIN_S)


async def _talk(session: Session, clip: Clip) -> Talk:
    """Send on the clock; a frame's lateness counts from when the chunk with its last needed sample was sent."""
    chunk_bytes = clip.rate_hz * CHUNK_MS // 1000 * 2
    pcm = clip.pcm
    chunks = range(0, len(pcm), chunk_bytes)
    lookahead_frames = -(-session.started.lookahead_ms // CHUNK_MS)
    start_s = time.monotonic()

    async def send() -> None:
        for number, position in enumerate(chunks):
            await asyncio.sleep(max(0.0, start_s + number * CHUNK_MS / 1000 - time.monotonic()))
            await session.send_audio(pcm[position : position + chunk_bytes])
        await session.end()

    sending, late_ms = asyncio.create_task(send()), []
    async for frame in session.frames():
        if not frame.flags & Flag.CONCEALED:
            # By the speaker's clock: a server that does not read its socket makes frames late too.
            needed = min(frame.frame + lookahead_frames, len(chunks) - 1)
            late_ms.append((time.monotonic() - start_s) * 1000 - needed * CHUNK_MS)
    await sending
    return Talk(len(chunks), late_ms)


def as_text(report: dict[str, Any]) -> str:
    lines = [f"cores                 {report['cores']}", f"capacity              {report['capacity']} sessions"]
    lines += [
        f"  {n} sessions          {share:.2%} on time" for n, share in enumerate(report["on_time_by_sessions"], 1)
    ]
    for row in report["overload"]["rounds"]:
        lines += [
            f"{row['offered']} sessions at once, {row['usable_fps']} fps to give away",
            f"  admitted            {row['admitted']}, refused for good {row['refused']}",
            f"  on time             {row['on_time']:.2%}, worst session {row['worst_session']:.2%}",
            f"  lateness            {row['late_ms']} ms",
            f"  refusals            {row['refusals']}, taking {row['refusal_ms']} ms",
        ]
    return "\n".join([*lines, f"memory, MB            {report['overload']['memory_mb']}"])


if __name__ == "__main__":
    main()

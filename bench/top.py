"""What `lipstream top` costs the pipeline that it watches, measured with its looks and without, in turns.

    python -m bench.top [--sessions 2] [--seconds 8] [--rounds 3] [--json]

`lipstream up` runs as a user starts it, and sessions speak on the clock. A look touches the pipeline in one place, the
processor time of Redis. One look a second would drown in the noise, so there are 25, and the difference is divided by
25; it is told as a share of the processor time of the whole pipeline. `top` need not run on the same machine: its own
processor time, picture included, stands beside.
"""

import argparse
import asyncio
import io
import json
import os
import subprocess
import time
from statistics import median
from typing import Any, Final, NamedTuple

import psutil
from redis.asyncio import Redis
from rich.console import Console

from bench.pipeline import _talk
from bench.server import running
from cli.embedded_redis import prepared
from cli.inspect.looks import Looks, look_again
from cli.inspect.screen import screen
from common.redis_client import close, connect

LOOKS_HZ: Final = 25
WARM_UP_S: Final = 5


class Turn(NamedTuple):
    """Cores that were busy with the pipeline and with Redis alone, and what a look cost this process."""

    pipeline_cores: float
    redis_cores: float
    own_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with prepared() as server:
        os.environ["LIPSTREAM_REDIS_URL"] = server.url
        with subprocess.Popen(server.command, stdout=subprocess.DEVNULL) as process:
            try:
                with running():
                    report = asyncio.run(_measure(server.url, arguments.sessions, arguments.seconds, arguments.rounds))
            finally:
                process.terminate()
    print(json.dumps(report) if arguments.json else "\n".join(f"{name:34}{value}" for name, value in report.items()))


async def _measure(url: str, sessions: int, seconds: float, rounds: int) -> dict[str, Any]:
    talk_s = 2 * rounds * (seconds + 1) + WARM_UP_S
    # In a thread of its own: the clients must not wait for the looks.
    talking = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(_talk(sessions, talk_s, 0.02))))
    await asyncio.sleep(WARM_UP_S)
    redis, looks, turns = connect(url), Looks(), []
    for looking in (False, True) * rounds:
        turn, looks = await _turn(redis, looks, seconds, looking=looking)
        turns.append(turn)
    await talking
    await close(redis)
    alone, watched = turns[::2], turns[1::2]
    pipeline = median(turn.pipeline_cores for turn in alone)
    more = median(w.redis_cores - a.redis_cores for a, w in zip(alone, watched, strict=True)) / LOOKS_HZ
    return {
        "pipeline_cores": round(pipeline, 3),
        "redis_cores": [round(turn.redis_cores, 4) for turn in alone],
        f"redis_cores_at_{LOOKS_HZ}_hz": [round(turn.redis_cores, 4) for turn in watched],
        "redis_ms_a_look": round(more * 1000, 3),
        "percent_of_the_pipeline_at_1_hz": round(100 * more / pipeline, 3),
        "top_itself_ms_a_look": round(median(turn.own_ms for turn in watched), 2),
        "commands_a_look": looks.commands,
    }


async def _turn(redis: Redis, looks: Looks, seconds: float, *, looking: bool) -> tuple[Turn, Looks]:
    begun_s, pipeline_s, redis_s = time.monotonic(), _cpu_s(), _cpu_s("redis-server")
    own_s, count = 0.0, 0
    while time.monotonic() - begun_s < seconds:
        if looking:
            before_s = time.thread_time()
            looks, seen = await look_again(redis, looks)
            Console(width=80, height=24, file=io.StringIO()).print(screen(seen, 80, 24))
            own_s += time.thread_time() - before_s
            count += 1
        await asyncio.sleep(max(0.0, begun_s + count / LOOKS_HZ - time.monotonic()) if looking else 0.1)
    wall_s = time.monotonic() - begun_s
    spent_s = _cpu_s() - pipeline_s, _cpu_s("redis-server") - redis_s
    return Turn(spent_s[0] / wall_s, spent_s[1] / wall_s, own_s * 1000 / max(1, count)), looks


def _cpu_s(name: str = "") -> float:
    """Processor time of what was started here: Redis, workers, gateway; or of those of one name."""
    children = psutil.Process().children(recursive=True)
    return sum(sum(child.cpu_times()[:2]) for child in children if child.name().startswith(name))


if __name__ == "__main__":
    main()

"""Sessions come, speak, interrupt, leave and vanish for a long time: does anything grow?

    python -m tests.chaos.soak [--minutes 30] [--sessions 2] [--avatar demo] [--report DIR]

The first fifth of the time is warm-up. Exit code 1 when Redis keeps keys or stream entries after the last session, or a
session that was to be served broke off. Slopes are reported with the error of their fit.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from cli.up import STAGES
from tests.chaos import growth
from tests.chaos.avatars import settings_of
from tests.chaos.campaign import left_over
from tests.chaos.growth import Growth, Sample
from tests.chaos.talk import Manner, speeches
from tests.chaos.verdict import drift_ms
from tests.chaos.visit import Visitor
from tests.chaos.world import World, world

SAMPLE_EVERY_S = 5.0
GONE_WITHIN_S = 60.0
"""A session that vanished is kept for its client to come back for `resume_s`, 30 s."""


def main() -> None:
    arguments = _arguments()
    found = asyncio.run(run(arguments))
    if arguments.json:
        print(json.dumps(growth.as_dict(found)))
    else:
        growth.show(found, Console())
    if arguments.report:
        growth.write(found, arguments.report)
    sys.exit(bool(found.left_over or found.errors))


async def run(arguments: argparse.Namespace) -> Growth:
    """Visitors and samples for so many minutes."""
    workers = dict.fromkeys(STAGES, arguments.workers)
    manner = Manner(arguments.avatar, arguments.output)
    with tempfile.TemporaryDirectory() as folder:
        async with world(workers, **settings_of(arguments.avatar, Path(folder))) as made:
            spoken, over = speeches(arguments.sessions, 11.0), asyncio.Event()
            visitors = [
                Visitor(made.urls[0], speech, manner, random.Random(f"{arguments.seed}-{number}"))
                for number, speech in enumerate(spoken)
            ]
            visiting = [asyncio.create_task(visitor.come_and_go(over)) for visitor in visitors]
            samples = await _watch(made, arguments.minutes * 60)
            over.set()
            await asyncio.gather(*visiting)
            return Growth(
                samples=samples,
                visits={kind: sum(v.visits[kind] for v in visitors) for kind in visitors[0].visits},
                errors=[error for visitor in visitors for error in visitor.errors],
                drifts_ms=[drift_ms(recording) for visitor in visitors for recording in visitor.spoken],
                left_over=await left_over(made.redis, GONE_WITHIN_S),
            )


async def _watch(made: World, seconds: float) -> list[Sample]:
    samples, end_s = [], time.monotonic() + seconds
    while time.monotonic() < end_s:
        samples.append(await growth.sample(made))
        await asyncio.sleep(SAMPLE_EVERY_S)
    return samples


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sessions", type=int, default=2, help="that are there at the same time")
    parser.add_argument("--workers", type=int, default=2, help="of each stage")
    parser.add_argument("--avatar", choices=("demo", "tiny"), default="demo")
    parser.add_argument("--output", choices=("frame", "patch"), default="frame")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write soak.md and soak.png there")
    return parser.parse_args()


if __name__ == "__main__":
    main()

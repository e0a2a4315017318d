"""Sessions come, speak, interrupt, leave and vanish for a long time: does anything grow?

    python -m tests.chaos.soak [--minutes 30] [--sessions 2] [--avatar demo] [--report DIR]

Processes are looked at every few seconds. Redis' memory goes up and down with who is there, so it is looked at when
nobody is: every minute or two all leave, and what they had is waited for to go. The first fifth of the time is
warm-up. Exit code 1 when Redis keeps keys or stream entries, a session that was to be served broke off, or something
grows by more than 1 % an hour with a confidence of 95 %.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

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

SAMPLE_EVERY_S: Final = 5.0
ROUND_S: Final = 50.0
KEPT: Final = {"resume_s": 5, "session_ttl_s": 30}
"""A session that vanished is kept so long for its client to come back; what a worker writes last goes so much later."""
GONE_WITHIN_S: Final = 60.0


def main() -> None:
    arguments = _arguments()
    found = asyncio.run(run(arguments))
    if arguments.json:
        print(json.dumps(growth.as_dict(found)))
    else:
        growth.show(found, Console())
    if arguments.report:
        growth.write(found, arguments.report)
    sys.exit(bool(found.left_over or found.errors or growth.growing(found)))


async def run(arguments: argparse.Namespace) -> Growth:
    """Visitors and samples for so many minutes."""
    workers = dict.fromkeys(STAGES, arguments.workers)
    manner = Manner(arguments.avatar, arguments.output)
    with tempfile.TemporaryDirectory() as folder:
        changes = settings_of(arguments.avatar, Path(folder)) | KEPT
        async with world(workers, **changes) as made:
            visitors = [
                Visitor(made.urls[0], speech, manner, random.Random(f"{arguments.seed}-{number}"))
                for number, speech in enumerate(speeches(arguments.sessions, 11.0))
            ]
            busy, rests, left = list[Sample](), list[Sample](), list[str]()
            end_s = time.monotonic() + arguments.minutes * 60
            while time.monotonic() < end_s and not left:
                busy += await _round(made, visitors)
                left = await left_over(made.redis, GONE_WITHIN_S)
                rests.append(await growth.at_rest(made))
            return Growth(
                busy=busy,
                rests=rests,
                visits={kind: sum(v.visits[kind] for v in visitors) for kind in visitors[0].visits},
                errors=[error for visitor in visitors for error in visitor.errors],
                drifts_ms=[drift_ms(recording) for visitor in visitors for recording in visitor.spoken],
                left_over=left,
            )


async def _round(made: World, visitors: Sequence[Visitor]) -> list[Sample]:
    """They come and go for a while, and leave; looks at the processes meanwhile."""
    over = asyncio.Event()
    visiting = [asyncio.create_task(visitor.come_and_go(over)) for visitor in visitors]
    samples, end_s = [], time.monotonic() + ROUND_S
    while time.monotonic() < end_s:
        samples.append(growth.of_processes(made))
        await asyncio.sleep(SAMPLE_EVERY_S)
    over.set()
    await asyncio.gather(*visiting)
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

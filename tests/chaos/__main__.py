"""Sessions speak while workers are killed, frozen, drained and poisoned: is anything lost, and for how long is it felt?

    python -m tests.chaos [--faults 50] [--kinds kill,freeze,drain,jump,poison] [--avatar tiny] [--report DIR]

Exit code 1 when a frame is missing, doubled, out of order, concealed or not that of an undisturbed run, when Redis
keeps anything, or when the dead letters are not those of the poison. Stalls are reported, not judged.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from cli.up import STAGES
from tests.chaos import report
from tests.chaos.avatars import settings_of
from tests.chaos.campaign import Findings, campaign
from tests.chaos.faults import KINDS, PARTS, plan
from tests.chaos.talk import Manner, speeches
from tests.chaos.world import world


def main() -> None:
    arguments = _arguments()
    findings = asyncio.run(run(arguments))
    if arguments.json:
        print(json.dumps(report.as_dict(findings)))
    else:
        report.show(findings, Console())
    if arguments.report:
        report.write(findings, arguments.report, arguments.name)
    sys.exit(not findings.is_clean)


async def run(arguments: argparse.Namespace) -> Findings:
    """The campaign that the arguments ask for."""
    rng = random.Random(arguments.seed)
    workers = dict.fromkeys(STAGES, arguments.workers)
    faults = plan(rng, arguments.kinds, arguments.parts, arguments.faults)
    with tempfile.TemporaryDirectory() as folder:
        changes = settings_of(arguments.avatar, Path(folder))
        durable = any(fault.part == "redis" for fault in faults)
        async with world(workers, arguments.gateways, durable=durable, **changes) as made:
            manner = Manner(arguments.avatar, arguments.output)
            spoken = speeches(arguments.sessions, arguments.speech_s)
            findings = await campaign(made, workers, faults, spoken, manner, rng)
            if arguments.log:
                arguments.log.write_text("\n".join(made.log) + "\n")
            return findings


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=50, help="how many")
    parser.add_argument("--kinds", type=_names, default=KINDS, help="of which kinds, by commas")
    parser.add_argument("--parts", type=_names, default=PARTS, help="done to which parts, by commas")
    parser.add_argument("--sessions", type=int, default=4, help="that speak at the same time")
    parser.add_argument("--speech-s", type=float, default=22.0, help="seconds that a session speaks")
    parser.add_argument("--workers", type=int, default=2, help="of each stage")
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument(
        "--avatar", choices=("demo", "tiny"), default="tiny", help="tiny: models that cost next to nothing"
    )
    parser.add_argument("--output", choices=("frame", "patch"), default="frame")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write NAME.md and NAME.png there")
    parser.add_argument("--name", default="chaos")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write what the processes said there")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The load rises and falls, and real workers come and go with it by the numbers of the ScaledObjects that ship.

    python -m tests.scaling [--minutes 5] [--report DIR]

In 18 minutes all times are those that ship; in fewer, all that paces is faster by the same factor. Exit code 1 when a
frame is missing, doubled, out of order or not that of an undisturbed run, when one is concealed as a pod goes, when a
pod has to be killed, or when the latency leaves its bound, also while pods start. Needs Prometheus.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.chaos.avatars import settings_of
from tests.chaos.talk import Manner
from tests.scaling import report
from tests.scaling.play import SHIPPED_S, play, scenario_of
from tests.scaling.summary import summary_of


def main() -> None:
    arguments = _arguments()
    if shutil.which("prometheus") is None:
        sys.exit("no Prometheus on this machine: Debian's package is called prometheus")
    with tempfile.TemporaryDirectory() as folder:
        avatars, logs = Path(folder) / "avatars", Path(folder) / "logs"
        logs.mkdir()
        scenario = scenario_of(arguments.minutes)._replace(many=arguments.speakers, room=arguments.room)
        played = asyncio.run(play(scenario, settings_of("tiny", avatars), logs, Manner("tiny")))
        summary = summary_of(played)
    if arguments.json:
        print(json.dumps(summary._asdict() | {"verdict": summary.verdict._asdict(), "is_clean": summary.is_clean}))
    else:
        report.show(summary, Console())
    if arguments.report:
        report.write(played, summary, arguments.report)
    sys.exit(not summary.is_clean)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0, help=f"{SHIPPED_S / 60:.0f}: at the speed that ships")
    parser.add_argument("--speakers", type=int, default=4, help="at the peak; one before and after")
    parser.add_argument("--room", type=int, default=4, help="pods of a Deployment that this machine has room for")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write autoscaling.md and autoscaling.png there")
    return parser.parse_args()


if __name__ == "__main__":
    main()

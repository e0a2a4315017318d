"""A long session is recorded once, and run again at several paces, with one and three workers a stage.

    python -m bench.replays [--minutes 10] [--speeds 4 fast] [--workers 1 3] [--json]

The session has utterances that end by a flush, by a pause and by a change of avatar, and barge-ins, with audio still
waiting. Everything is started anew for each run, Redis too; every picture is compared. The avatars are those of the
tests, whose models cost little, so that what is measured is not a model.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from bench.server import URL, running
from cli.replay.run import Request, run
from common.avatars.package import load
from common.recording.recording import Recording
from common.settings import Settings
from tests.avatar_package import write_package
from tests.recorded import record

AVATARS = ("tiny", "reference")
ROUND_S = 4.85
"""What one round of the conversation takes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--speeds", nargs="+", default=["4", "fast"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 3])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_package(folder, "tiny", family="demo")
        write_package(folder, "reference", family="reference")
        served = {"avatars": ",".join(AVATARS), "avatars_dir": str(folder)}
        with running(None, record="all", recordings_url=str(folder / "recordings"), **served):
            rounds = round(arguments.minutes * 60 / ROUND_S)
            recording, _ = asyncio.run(record(URL, folder / "recordings", rounds))
        report = _of_recording(recording)
        report["runs"] = [_run(recording, folder, None, None)]
        for speed in arguments.speeds:
            for workers in arguments.workers:
                with running(workers, **served):
                    report["runs"].append(_run(recording, folder, None if speed == "fast" else float(speed), workers))
    print(json.dumps(report) if arguments.json else as_text(report))


def _of_recording(recording: Recording) -> dict[str, Any]:
    inputs = [taken.input.input for taken in recording.inputs]
    return {
        "minutes": round(recording.duration_s / 60, 2),
        "frames": len(recording.frames),
        "concealed": recording.concealed,
        "segments": len(recording.segments),
        "clears": inputs.count("clear"),
        "switches": inputs.count("switch"),
        "pauses": inputs.count("pause"),
        "whole": recording.is_whole,
    }


def _run(recording: Recording, folder: Path, speed: float | None, workers: int | None) -> dict[str, Any]:
    settings = Settings(avatars=AVATARS)
    url = URL if workers else None
    outcome = asyncio.run(run(recording, Request(settings, lambda name: load(folder, name), url, speed, verify=True)))
    return {
        "where": "gateway" if workers else "in process",
        "speed": speed or "fast",
        "workers": workers,
        "compared": outcome.compared,
        "of": outcome.comparable,
        "difference": outcome.difference and outcome.difference.as_text(),
        "seconds": round(outcome.seconds, 1),
    }


def as_text(report: dict[str, Any]) -> str:
    head = ", ".join(f"{value} {name}" for name, value in report.items() if name != "runs")
    lines = [head]
    lines += [
        f"  {run['where']:10} speed {run['speed']!s:4} workers {run['workers'] or '-'}:"
        f" {run['compared']} of {run['of']} compared, {run['difference'] or 'all the same'}, {run['seconds']} s"
        for run in report["runs"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

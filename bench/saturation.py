"""How many sessions this machine bears, measured and predicted by the simulation, in one run.

    python -m bench.saturation [--seconds 12] [--most 5] [--rounds 3] [--json]

First what frames cost, with two sessions, as `python -m bench.coefficients` does it. From that the simulation says what
becomes of 1, 2, 3, ... live sessions on so many cores; then as many really speak. Admission is switched off. At last
sessions send as fast as the server takes it: the frames a second that come then are the saturation point, which does
not depend on what is skipped or comes too late. Other programs take cores away: how many is measured meanwhile, and the
simulation does without them too.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterable
from itertools import pairwise
from statistics import quantiles
from typing import Any, Final, NamedTuple

from redis import Redis

from bench.coefficients import Request, as_text, measure
from bench.fit import Speech, dearer
from bench.live import FRAME_MS, Kind, Pace, Talk, crowd, speech
from bench.server import on_redis
from bench.simulation.run import simulate
from bench.simulation.world import Scene
from bench.spent import during
from cli.plan.coefficients import WORKERS, Measurement
from cli.up import workers_of
from common.avatars.package import default_folder, load
from common.settings import Settings

WARM_UP_S: Final = 4.0
"""Of each run, at the beginning, that is left out: queues fill."""
WAYS: Final = ("measured", "predicted")
POURING: Final = 4
"""Sessions that send as fast as they can: enough to keep everything busy."""
LATE_MS: Final = 250.0
"""A frame that is later is noticed: the limit of docs/overload.md."""


class Outcome(NamedTuple):
    """What became of the frames of so many sessions."""

    sessions: int
    painted_fps: float
    on_time: float
    p50_ms: float
    p95_ms: float


class Row(NamedTuple):
    """One number of sessions, both ways; the cores that others used, and how much dearer than expected all was."""

    pace: Pace
    measured: Outcome
    predicted: Outcome
    others: float
    dearer: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--most", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with on_redis() as redis:
        request = Request("demo", "frame", seconds=6, rounds=arguments.rounds)
        measurement = measure(redis, request)
        print(as_text(measurement), file=sys.stderr)
        kinds = [Kind(sessions) for sessions in range(1, arguments.most + 1)] + [Kind(POURING, pace="lossless")]
        rows = [compare(redis, measurement, kind, arguments.seconds) for kind in kinds]
    if arguments.json:
        json.dump(as_dict(measurement, rows), sys.stdout, indent=2)
    else:
        print(as_text(measurement))
        print(as_table(rows, measurement.fps))


def compare(redis: Redis, measurement: Measurement, kind: Kind, seconds: float) -> Row:
    """So many sessions, really and in simulated time."""
    # A server that is poured on takes more than is spoken meanwhile.
    clip = speech(seconds * (2 if kind.pace == "lossless" else 1))
    talks, period = during(redis, lambda: asyncio.run(crowd(clip, kind)))
    spoken = Speech(period, round(kind.sessions * clip.duration_s * 1000 / FRAME_MS))
    measured = outcome_of(talks, seconds, measurement.fps)
    print(f"{kind.sessions} {kind.pace}: {measured.painted_fps:.1f} frames a second", file=sys.stderr)
    return Row(
        kind.pace,
        measured,
        predict(measurement, kind, seconds, _cores(), period.others),
        period.others,
        dearer(measurement.costs, spoken),
    )


def predict(measurement: Measurement, kind: Kind, seconds: float, cores: int, others: float = 0.0) -> Outcome:
    """The simulation of a machine with so many cores, as `lipstream up` would use it."""
    settings = Settings()
    workers = workers_of(settings, cores, None)
    scene = Scene(
        sessions=kind.sessions,
        workers={stage: workers[stage] for stage in WORKERS},
        cores=cores - others,
        pace=kind.pace,
        seconds=seconds,
        warm_up_s=WARM_UP_S,
    )
    found = simulate(scene, measurement, load(default_folder(), measurement.avatar).manifest, settings)
    return Outcome(kind.sessions, found.painted_fps, found.on_time, found.p50_ms or 0.0, found.p95_ms or 0.0)


def outcome_of(talks: list[Talk], seconds: float, fps: float) -> Outcome:
    """Of the frames that came while all were speaking."""
    begin_s = max(talk.begun_s for talk in talks) + WARM_UP_S
    end_s = min(min(talk.begun_s + seconds, talk.frames[-1].at_s) for talk in talks)
    shown = [frame for talk in talks for frame in talk.frames if begin_s <= frame.at_s < end_s]
    late_ms = [frame.late_ms for frame in shown if frame.painted]
    cuts = quantiles(late_ms, n=20, method="inclusive")
    painted_fps = len(late_ms) / (end_s - begin_s)
    return Outcome(len(talks), painted_fps, min(1.0, painted_fps / (len(talks) * fps)), cuts[9], cuts[18])


def saturation(rows: Iterable[Row], way: str, fps: float) -> float:
    """The frames a second that come when more is there than can be done, as a number of live sessions."""
    return float(max(getattr(row, way).painted_fps for row in rows if row.pace == "lossless") / fps)


def knee(rows: Iterable[Row], way: str) -> float:
    """Live sessions whose p95 is `LATE_MS`, between two numbers that were tried; the largest if none is so late."""
    found = [getattr(row, way) for row in rows if row.pace == "live"]
    for near, far in pairwise(found):
        if near.p95_ms <= LATE_MS < far.p95_ms:
            return float(near.sessions + (LATE_MS - near.p95_ms) / (far.p95_ms - near.p95_ms))
    return float(found[-1].sessions)


def _cores() -> int:
    return os.cpu_count() or 1


def as_dict(measurement: Measurement, rows: list[Row]) -> dict[str, Any]:
    table = [row._asdict() | {way: getattr(row, way)._asdict() for way in WAYS} for row in rows]
    return {
        "measurement": measurement.model_dump(mode="json"),
        "cores": _cores(),
        "rows": table,
        "saturation": {way: saturation(rows, way, measurement.fps) for way in WAYS},
        "knee": {way: knee(rows, way) for way in WAYS},
    }


def as_table(rows: list[Row], fps: float) -> str:
    lines = [
        "sessions           painted a second  p50, ms      p95, ms      others' cores, cost of work",
        "                   meas.   pred.     meas. pred.  meas. pred.",
    ]
    for pace, one, other, others, factor in rows:
        painted = f"{one.painted_fps:5.1f}   {other.painted_fps:5.1f}"
        late = f"{one.p50_ms:5.0f} {other.p50_ms:5.0f}  {one.p95_ms:5.0f} {other.p95_ms:5.0f}" if pace == "live" else ""
        lines.append(f"{one.sessions:>8} {pace:<8}  {painted}     {late:24}  {others:.2f}  x {factor:.2f}")
    for name, found in (
        ("saturation, in sessions", [saturation(rows, way, fps) for way in WAYS]),
        (f"sessions with a p95 of {LATE_MS:.0f} ms", [knee(rows, way) for way in WAYS]),
    ):
        measured, predicted = found
        lines.append(f"{name}: measured {measured:.2f}, predicted {predicted:.2f} ({predicted / measured - 1:+.0%})")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

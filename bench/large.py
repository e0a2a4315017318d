"""A large installation in simulated time, shard by shard.

    python -m bench.large [--sessions 100000] [--shards N] [--seconds 11] [--more 1.0] [--folder docs/scaling]

Shards share nothing, so each is simulated by itself, with a seed of its own: what differs between them is chance.
Without `--shards` all of them are, on all cores: for 100,000 sessions that takes an hour on two. `--more 1.2` gives
every shard a fifth more sessions than its plan.
"""

import argparse
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple

from rich.progress import track

from bench.figures import beside, finish
from bench.simulation.run import Result
from bench.simulation.shard import run, scene_of
from bench.sizes import SPEAKING
from cli.plan.coefficients import Measurement, default_file, load
from cli.plan.model import Load, Shards, shards_of
from common.avatars.manifest import Manifest
from common.avatars.package import default_folder
from common.avatars.package import load as load_package

WARM_UP_S: Final = 3.0


class Part(NamedTuple):
    """What every shard is simulated with."""

    measurement: Measurement
    manifest: Manifest
    load: Load
    sessions: int
    seconds: float


class Summary(NamedTuple):
    """All shards together.

    Attributes
    ----------
    painted_fps : frames a second of all of them.
    on_time : share of the frames that fell due and were painted, in the mean and in the worst shard.
    p95_ms : latency; of the median shard, of the hundredth worst of each hundred, and of the worst.
    redis : share of its time that Redis is busy, in the mean and in the busiest shard.
    """

    shards: int
    painted_fps: float
    on_time: tuple[float, float]
    p95_ms: tuple[float, float, float]
    redis: tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--shards", type=int, help="simulate so many of them")
    parser.add_argument("--seconds", type=float, default=11, help=f"of each, the first {WARM_UP_S:g} to warm up")
    parser.add_argument("--more", type=float, default=1.0, help="times as many sessions as planned in each shard")
    parser.add_argument("--file", type=Path, default=default_file())
    parser.add_argument("--folder", type=Path, help="draw large.png there")
    arguments = parser.parse_args()
    measurement = load(arguments.file).find("demo", "frame")
    manifest = load_package(default_folder(), "demo").manifest
    wanted = Load(arguments.sessions, SPEAKING)
    planned = shards_of(measurement, wanted)
    shown = min(arguments.shards or planned.number, planned.number)
    part = Part(measurement, manifest, wanted, round(planned.sessions * arguments.more), arguments.seconds)
    found = list(track(simulated(part, shown), "shards", shown, transient=True))
    print(as_text(planned, part, summary(found)))
    if arguments.folder:
        draw(found, arguments.folder / "large.png")


def simulated(part: Part, shards: int) -> Iterator[Result]:
    """So many shards, on all cores."""
    with ProcessPoolExecutor() as pool:
        yield from pool.map(partial(_one, part), range(shards), chunksize=4)


def _one(part: Part, seed: int) -> Result:
    scene = scene_of(part.measurement, part.load, part.sessions, seed)
    return run(scene._replace(seconds=part.seconds, warm_up_s=WARM_UP_S), part.measurement, part.manifest)


def summary(found: Iterable[Result]) -> Summary:
    """Two shards or more."""
    shards = list(found)
    p95_ms = [shard.p95_ms or 0.0 for shard in shards]
    redis = [shard.busy["redis"] for shard in shards]
    painted_fps = sum(shard.painted_fps for shard in shards)
    return Summary(
        shards=len(shards),
        painted_fps=painted_fps,
        on_time=(painted_fps / sum(shard.asked_fps for shard in shards), min(shard.on_time for shard in shards)),
        p95_ms=(median(p95_ms), quantiles(p95_ms, n=100, method="inclusive")[98], max(p95_ms)),
        redis=(sum(redis) / len(redis), max(redis)),
    )


def as_text(planned: Shards, part: Part, found: Summary) -> str:
    usual_ms, hundredth_ms, worst_ms = found.p95_ms
    return (
        f"{part.load.sessions:,} sessions, {part.load.speaking:.0%} speaking: {planned.number:,} shards of "
        f"{planned.sessions}; {found.shards:,} simulated with {part.sessions} sessions for {part.seconds:g} s each\n"
        f"  frames    {found.painted_fps:,.0f} a second; {found.on_time[0]:.3%} painted in time, in the worst shard "
        f"{found.on_time[1]:.2%}\n"
        f"  p95       median shard {usual_ms:.0f} ms, 99 % of the shards at most {hundredth_ms:.0f} ms, worst "
        f"{worst_ms:.0f} ms\n"
        f"  Redis     {found.redis[0]:.0%} busy, in the busiest shard {found.redis[1]:.0%}"
    )


def draw(found: Iterable[Result], path: Path) -> None:
    """How shards differ."""
    shards = list(found)
    figure, (late, busy) = beside()
    late.hist([shard.p95_ms or 0.0 for shard in shards], bins=60, label="p95 of a shard")
    busy.hist([100 * shard.busy["redis"] for shard in shards], bins=60, label="Redis of a shard")
    for axes, label in ((late, "latency of painted frames, ms"), (busy, "busy, %")):
        axes.set(yscale="log", ylabel="shards")
        finish(axes, label)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()

"""The curves and the table of docs/scaling.md: a shard as its sessions become more, and what breaks first.

    python -m bench.scaling [--folder docs/scaling]

From measured coefficients and the simulation alone, so it gives the same on every machine; takes some minutes. The
picture of the measured machine needs `saturation.json` in the folder, which `python -m bench.saturation --json`
prints.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench import sizes
from bench.figures import beside, finish
from bench.simulation.run import Result
from bench.simulation.shard import grown, run
from cli.plan.coefficients import Measurement, default_file, load
from cli.plan.model import Load, limits, redis_node_ms
from common.avatars.package import default_folder
from common.avatars.package import load as load_package

DEADLINE_MS: Final = 250.0
"""A frame that is later is noticed: the limit of docs/overload.md."""
STEPS: Final = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.15)
"""Load of the busiest Redis server."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=default_file())
    parser.add_argument("--folder", type=Path, default=Path("docs/scaling"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    manifest = load_package(default_folder(), "demo").manifest
    known = load(arguments.file)
    frame = known.find("demo", "frame")
    numbers = sessions_of_curve(frame)
    found = [run(grown(frame, Load(number), number), frame, manifest) for number in numbers]
    print(as_text(numbers, found), end="\n\n")
    draw_shard(frame, numbers, found, arguments.folder / "shard.png")
    sizes.draw(sizes.by_kind(known, "demo"), arguments.folder / "sizes.png")
    print(sizes.table(frame))
    measured = arguments.folder / "saturation.json"
    if measured.exists():
        draw_machine(json.loads(measured.read_text()), arguments.folder / "machine.png")


def sessions_of_curve(measurement: Measurement) -> list[int]:
    """Numbers of speaking sessions, up to more than one Redis bears."""
    most = 1000 / (measurement.fps * redis_node_ms(measurement, Load(1)))
    return sorted({max(1, round(most * step)) for step in STEPS})


def draw_shard(measurement: Measurement, numbers: Sequence[int], found: Sequence[Result], path: Path) -> None:
    """Latency and Redis of a shard whose pods grow with its sessions and whose Redis does not."""
    figure, (late, busy) = beside()
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        late.plot(numbers, [getattr(each, name) for each in found], marker="o", label=name.removesuffix("_ms"))
    late.axhline(DEADLINE_MS, color="grey", linestyle=":", label=f"{DEADLINE_MS:.0f} ms")
    late.set(yscale="log", ylabel="latency of painted frames, ms")
    for part in ("redis", "inference", "gateway"):
        busy.plot(numbers, [each.busy[part] for each in found], marker="o", label=f"{part} busy")
    busy.plot(numbers, [each.on_time for each in found], marker="o", color="black", label="frames painted")
    busy.set(ylim=(0, 1.05), ylabel="share")
    for axes in (late, busy):
        axes.axvline(limits(measurement, Load(1))[0].speakers, color="grey", linestyle="--")
        finish(axes, "speaking sessions of a shard")
    figure.savefig(path, dpi=110)


def draw_machine(report: dict[str, Any], path: Path) -> None:
    """One machine, measured and predicted."""
    figure, (fps, late) = beside()
    for way, style in (("measured", "o-"), ("predicted", "s--")):
        rows = [row[way] for row in report["rows"] if row["pace"] == "live"]
        sessions = [row["sessions"] for row in rows]
        fps.plot(sessions, [row["painted_fps"] for row in rows], style, label=way)
        late.plot(sessions, [row["p95_ms"] for row in rows], style, label=f"p95, {way}")
        late.plot(sessions, [row["p50_ms"] for row in rows], style, alpha=0.5, label=f"p50, {way}")
    asked_fps = report["measurement"]["fps"]
    fps.plot(sessions, [asked_fps * number for number in sessions], color="grey", linestyle=":", label="asked for")
    fps.set(ylabel="frames painted, a second")
    late.set(yscale="log", ylabel="latency of painted frames, ms")
    for axes in (fps, late):
        finish(axes, "live sessions on this machine")
    figure.savefig(path, dpi=110)


def as_text(numbers: Sequence[int], found: Sequence[Result]) -> str:
    """A shard as its sessions become more."""
    lines = ["speaking   p50, ms  p95, ms  p99, ms   painted   Redis busy"]
    for number, one in zip(numbers, found, strict=True):
        late = "  ".join(f"{late_ms:7.0f}" for late_ms in (one.p50_ms or 0, one.p95_ms or 0, one.p99_ms or 0))
        lines.append(f"{number:>8}   {late}   {one.on_time:7.1%}   {one.busy['redis']:10.0%}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""What grows while a system runs: memory of processes and of Redis, keys, entries of streams."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from tests.chaos.world import World

WARM_UP_SHARE: Final = 0.2


class Sample(NamedTuple):
    """One look; `figures` are bytes, but for `keys` and `entries`."""

    at_s: float
    figures: Mapping[str, float]


class Slope(NamedTuple):
    """How a figure developed after the warm-up."""

    figure: str
    first: float
    last: float
    percent_an_hour: float
    error_percent: float
    """Standard error of the fit."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What a soak brought to light; a drift is by how much a speech's last frames were later than its first ones."""

    samples: Sequence[Sample]
    visits: Mapping[str, int]
    errors: Sequence[str]
    drifts_ms: Sequence[float]
    left_over: Sequence[str]


async def sample(world: World) -> Sample:
    """Look at every process and at Redis."""
    figures = {name: float(psutil.Process(pid).memory_info().rss) for name, pid in world.process_ids.items()}
    info: Any = await world.redis.info("memory")
    streams = [key async for key in world.redis.scan_iter("stage:*")]
    figures |= {
        "redis data": info["used_memory"],
        "keys": await world.redis.dbsize(),
        "entries": sum([await world.redis.xlen(key) for key in streams]),
    }
    return Sample(time.monotonic(), figures)


def slopes(samples: Sequence[Sample]) -> list[Slope]:
    """A straight line through each figure after the warm-up; none from fewer than three samples."""
    warm = list(samples)[int(len(samples) * WARM_UP_SHARE) :]
    names = sorted(set.intersection(*(set(each.figures) for each in warm))) if len(warm) >= 3 else []
    return [_slope(name, warm) for name in names]


def _slope(name: str, warm: Sequence[Sample]) -> Slope:
    hours = np.array([each.at_s for each in warm]) / 3600
    values = np.array([each.figures[name] for each in warm])
    centred = hours - hours.mean()
    slope = float(centred @ values / (centred @ centred))
    rest = values - values.mean() - slope * centred
    error = float(np.sqrt(rest @ rest / (len(warm) - 2) / (centred @ centred)))
    scale = 100 / max(float(values.mean()), 1.0)
    return Slope(name, float(values[0]), float(values[-1]), slope * scale, error * scale)


def as_dict(growth: Growth) -> dict[str, Any]:
    """The findings as plain values."""
    return {
        "visits": dict(growth.visits),
        "errors": list(growth.errors),
        "left_over": list(growth.left_over),
        "drift_ms": _drift(growth),
        "slopes": [slope._asdict() for slope in slopes(growth.samples)],
    }


def show(growth: Growth, console: Console) -> None:
    """The figures and what remained, in the terminal."""
    table = Table("figure", "after warm-up", "at the end", "% an hour", "±", box=None, header_style="bold")
    for slope in slopes(growth.samples):
        table.add_row(*_cells(slope))
    console.print(table, "", *_remarks(growth), sep="\n")


def write(growth: Growth, folder: Path) -> None:
    """`soak.md` with the figures and `soak.png` with their course, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    minutes = (growth.samples[-1].at_s - growth.samples[0].at_s) / 60
    lines = [f"In {minutes:.0f} minutes:", ""]
    lines += ["| figure | after warm-up | at the end | % an hour | ± |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(slope))} |" for slope in slopes(growth.samples)]
    lines += ["", *(f"* {remark}" for remark in _remarks(growth))]
    (folder / "soak.md").write_text("\n".join(lines) + "\n")
    _plot(growth.samples, folder / "soak.png")


def _cells(slope: Slope) -> tuple[str, ...]:
    plain = slope.figure in ("keys", "entries")
    ends = (f"{value:.0f}" if plain else f"{value / 2**20:.1f} MiB" for value in (slope.first, slope.last))
    return slope.figure, *ends, f"{slope.percent_an_hour:+.1f}", f"{slope.error_percent:.1f}"


def _remarks(growth: Growth) -> list[str]:
    visits = ", ".join(f"{count} × {kind}" for kind, count in growth.visits.items())
    return [
        f"visits: {visits}",
        f"errors: {'; '.join(growth.errors) or 'none'}",
        f"left over in Redis: {'; '.join(growth.left_over) or 'nothing'}",
        f"picture against sound, last seconds of a speech against its first: {_drift(growth)} ms",
    ]


def _drift(growth: Growth) -> dict[str, float]:
    if not growth.drifts_ms:
        return {}
    low, middle, high = np.percentile(growth.drifts_ms, [5, 50, 95])
    return {"p5": round(float(low), 1), "p50": round(float(middle), 1), "p95": round(float(high), 1)}


def _plot(samples: Sequence[Sample], path: Path) -> None:
    # Heavy, and only the reports need it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    minutes = [(each.at_s - samples[0].at_s) / 60 for each in samples]
    for name in samples[0].figures:
        if name not in ("keys", "entries"):
            axes.plot(minutes, [each.figures.get(name, float("nan")) / 2**20 for each in samples], label=name)
    axes.set_xlabel("minutes")
    axes.set_ylabel("MiB")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small", ncols=2)
    figure.savefig(path, dpi=120)

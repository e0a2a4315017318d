"""What grows while a system runs: memory of processes and of Redis, keys, entries of streams."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table
from scipy.stats import theilslopes

from common import keys
from tests.chaos.world import World

WARM_UP_SHARE: Final = 0.2
FLAT_PERCENT: Final = 1.0
"""An hour; what grows by less is flat."""
REDIS: Final = "redis"
CAPPED: Final = "inbox"
"""A stream that keeps its last `INBOX_MAXLEN` notices: it grows up to that, and is looked at by itself."""


class Sample(NamedTuple):
    """One look; `figures` are bytes, but for `keys` and `entries`."""

    at_s: float
    figures: Mapping[str, float]


class Slope(NamedTuple):
    """How a figure developed after the warm-up, with the bounds of its 95 % confidence interval.

    By Theil and Sen: the median of the slopes between all pairs of looks. An allocator's single step, which says
    nothing of what comes next, does not tilt it; what keeps growing does.
    """

    figure: str
    first: float
    last: float
    percent_an_hour: float
    low_percent: float
    high_percent: float


@dataclass(frozen=True, slots=True)
class Growth:
    """What a soak brought to light.

    Attributes
    ----------
    busy : the processes while sessions speak.
    rests : Redis when nobody is there.
    drifts_ms : by how much a speech's last frames were later than its first ones.
    """

    busy: Sequence[Sample]
    rests: Sequence[Sample]
    visits: Mapping[str, int]
    errors: Sequence[str]
    drifts_ms: Sequence[float]
    left_over: Sequence[str]


def of_processes(world: World) -> Sample:
    """Look at every process but Redis."""
    return Sample(time.monotonic(), {n: _resident(pid) for n, pid in world.process_ids.items() if n != REDIS})


async def at_rest(world: World) -> Sample:
    """Look at Redis once the last key of a session has gone; what workers write last goes by its expiry."""
    while [key async for key in world.redis.scan_iter("*{*")]:  # noqa: ASYNC110  Redis tells nobody.
        await asyncio.sleep(1)
    info: Any = await world.redis.info("memory")
    streams = [key async for key in world.redis.scan_iter("stage:*")]
    inboxes = [key async for key in world.redis.scan_iter(keys.gateway_inbox("*"))]
    capped = float(sum([await world.redis.memory_usage(key, samples=0) or 0 for key in inboxes]))
    figures = {
        REDIS: _resident(world.process_ids[REDIS]),
        "redis data": info["used_memory"] - capped,
        CAPPED: capped,
        "keys": float(await world.redis.dbsize()),
        "entries": float(sum([await world.redis.xlen(key) for key in streams])),
    }
    return Sample(time.monotonic(), figures)


def _resident(process_id: int) -> float:
    return float(psutil.Process(process_id).memory_info().rss)


def growing(growth: Growth) -> list[str]:
    """What is surely not flat."""
    beyond = [each for each in all_slopes(growth) if each.low_percent > FLAT_PERCENT]
    return [each.figure for each in beyond if each.figure != CAPPED]


def all_slopes(growth: Growth) -> list[Slope]:
    return slopes(growth.busy) + slopes(growth.rests)


def slopes(samples: Sequence[Sample]) -> list[Slope]:
    """Of each figure after the warm-up; none from fewer than three samples."""
    warm = list(samples)[int(len(samples) * WARM_UP_SHARE) :]
    names = sorted(set.intersection(*(set(each.figures) for each in warm))) if len(warm) >= 3 else []
    return [_slope(name, warm) for name in names]


def _slope(name: str, warm: Sequence[Sample]) -> Slope:
    hours = np.array([each.at_s for each in warm]) / 3600
    values = np.array([each.figures[name] for each in warm])
    found = theilslopes(values, hours)
    scale = 100 / max(float(values.mean()), 1.0)
    percents = (scale * float(each) for each in (found.slope, found.low_slope, found.high_slope))
    return Slope(name, float(values[0]), float(values[-1]), *percents)


def as_dict(growth: Growth) -> dict[str, Any]:
    """The findings as plain values."""
    return {
        "visits": dict(growth.visits),
        "errors": list(growth.errors),
        "left_over": list(growth.left_over),
        "drift_ms": _drift(growth),
        "slopes": [slope._asdict() for slope in all_slopes(growth)],
    }


def show(growth: Growth, console: Console) -> None:
    """The figures and what remained, in the terminal."""
    table = Table("figure", "after warm-up", "at the end", "% an hour", "95 %", box=None, header_style="bold")
    for slope in all_slopes(growth):
        table.add_row(*_cells(slope))
    console.print(table, "", *_remarks(growth), sep="\n")


def write(growth: Growth, folder: Path) -> None:
    """`soak.md` with the figures and `soak.png` with their course, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    minutes = (growth.rests[-1].at_s - growth.busy[0].at_s) / 60
    lines = [f"In {minutes:.0f} minutes:", ""]
    lines += ["| figure | after warm-up | at the end | % an hour | 95 % |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(slope))} |" for slope in all_slopes(growth)]
    lines += ["", *(f"* {remark}" for remark in _remarks(growth))]
    (folder / "soak.md").write_text("\n".join(lines) + "\n")
    _plot([growth.busy, growth.rests], folder / "soak.png")


def _cells(slope: Slope) -> tuple[str, ...]:
    plain = slope.figure in ("keys", "entries")
    ends = (f"{value:.0f}" if plain else f"{value / 2**20:.1f} MiB" for value in (slope.first, slope.last))
    bounds = f"{slope.low_percent:+.1f} to {slope.high_percent:+.1f}"
    return slope.figure, *ends, f"{slope.percent_an_hour:+.1f}", bounds


def _remarks(growth: Growth) -> list[str]:
    visits = ", ".join(f"{count} × {kind}" for kind, count in growth.visits.items())
    return [
        f"visits: {visits}",
        f"errors: {'; '.join(growth.errors) or 'none'}",
        f"growing: {', '.join(growing(growth)) or 'nothing'}",
        f"left over in Redis: {'; '.join(growth.left_over) or 'nothing'}",
        f"picture against sound, last seconds of a speech against its first: {_drift(growth)} ms",
    ]


def _drift(growth: Growth) -> dict[str, float]:
    if not growth.drifts_ms:
        return {}
    low, middle, high = np.percentile(growth.drifts_ms, [5, 50, 95])
    return {"p5": round(float(low), 1), "p50": round(float(middle), 1), "p95": round(float(high), 1)}


def _plot(series: Sequence[Sequence[Sample]], path: Path) -> None:
    # Heavy, and only the reports need it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    begin_s = min(samples[0].at_s for samples in series)
    for samples in series:
        minutes = [(each.at_s - begin_s) / 60 for each in samples]
        for name in samples[0].figures:
            if name not in ("keys", "entries"):
                axes.plot(minutes, [each.figures.get(name, float("nan")) / 2**20 for each in samples], label=name)
    axes.set_xlabel("minutes")
    axes.set_ylabel("MiB")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small", ncols=2)
    figure.savefig(path, dpi=120)

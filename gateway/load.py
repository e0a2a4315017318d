"""What the installation could do, from what its processes have spent; pure.

Two resources bound the frames a second: the workers of the slowest stage, each busy all the time, and the cores of a
machine. Where workers have cores of their own the first is the tighter one. Where everything shares one machine it is
the second; the first would show that only once it is too late.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from common.backlog import Reading

FRAMES_MIN: Final = 50
"""So many frames must a stage have made between two looks before they say anything of its speed."""
_GATEWAY: Final = "gateway"


class Spent(NamedTuple):
    """What one process has done; a gateway's frames are those that it has sent."""

    stage: str
    host: str
    cores: float
    frames: int
    busy_ms: float
    cpu_ms: float


def capacity_fps(before: Reading, now: Reading) -> float | None:
    """Frames a second that all stages together could sustain; None while too few have been made to tell.

    A stage sustains `workers * frames / busy time`. A machine sustains `cores / processor time of a frame`, which is
    the sum of what the processes there have spent, each divided by the frames of its whole stage.
    """
    spent = _spent(before, now)
    frames: Counter[str] = Counter()
    for process in spent:
        frames[process.stage] += process.frames
    workers = Counter(worker.stage for worker in now.workers)
    if not workers or any(frames[stage] < FRAMES_MIN for stage in workers):
        return None
    hosts = {process.host for process in spent if process.cores}
    return min(
        *(_stage_fps(count, [p for p in spent if p.stage == stage]) for stage, count in workers.items()),
        *(_host_fps([p for p in spent if p.host == host], frames) for host in hosts),
        float("inf"),
    )


def _spent(before: Reading, now: Reading) -> list[Spent]:
    """By the processes that were there at both looks."""
    then = _totals(before)
    return [
        total._replace(
            frames=total.frames - then[name].frames,
            busy_ms=total.busy_ms - then[name].busy_ms,
            cpu_ms=total.cpu_ms - then[name].cpu_ms,
        )
        for name, total in _totals(now).items()
        if name in then
    ]


def _totals(reading: Reading) -> dict[str, Spent]:
    """By process, since it started."""
    workers = {w.worker: Spent(w.stage, w.host, w.cores, w.frames, w.busy_ms, w.cpu_ms) for w in reading.workers}
    gateways = {g.gateway: Spent(_GATEWAY, g.host, g.cores, g.frames, 0.0, g.cpu_ms) for g in reading.gateways}
    return workers | gateways


def _stage_fps(workers: int, spent: Iterable[Spent]) -> float:
    frames, busy_ms = 0, 0.0
    for process in spent:
        frames, busy_ms = frames + process.frames, busy_ms + process.busy_ms
    return workers * frames * 1000 / busy_ms if busy_ms > 0 else float("inf")


def _host_fps(spent: list[Spent], frames: Mapping[str, int]) -> float:
    frame_ms = sum(process.cpu_ms / frames[process.stage] for process in spent if frames[process.stage])
    return spent[0].cores * 1000 / frame_ms if frame_ms > 0 else float("inf")

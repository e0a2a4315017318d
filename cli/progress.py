"""What a run looks like: a bar on a terminal while it goes on, a line or JSON when it is done."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Summary(NamedTuple):
    """What a run made, and how fast."""

    avatar: str
    frames: int
    concealed: int
    duration_s: float
    wall_s: float
    output: str | None
    frames_dir: str | None
    latency_ms: dict[str, float] | None = None

    @property
    def realtime_factor(self) -> float:
        """Seconds of media a second."""
        return self.duration_s / self.wall_s if self.wall_s else 0.0

    def as_json(self) -> str:
        times = {"wall_s": round(self.wall_s, 3), "realtime_factor": round(self.realtime_factor, 3)}
        return json.dumps(self._asdict() | times)

    def as_text(self) -> str:
        places = " and ".join(place for place in (self.output, self.frames_dir) if place)
        concealed = f", {self.concealed} concealed" if self.concealed else ""
        latency = "".join(f", {name} {value:.0f} ms" for name, value in (self.latency_ms or {}).items())
        return (
            f"{self.frames} frames{concealed} of '{self.avatar}', {self.duration_s:.2f} s in {self.wall_s:.2f} s "
            f"({self.realtime_factor:.1f}x real time){latency}" + (f" -> {places}" if places else "")
        )


def report(summary: Summary, *, as_json: bool) -> None:
    """The result, on stdout."""
    sys.stdout.write((summary.as_json() if as_json else summary.as_text()) + "\n")


@contextmanager
def bar(title: str, frames: int) -> Iterator[Callable[[], None]]:
    """A function to call for each frame; draws on stderr, and only on a terminal."""
    with _drawn(title) as progress:
        task = progress.add_task(title, total=frames)
        yield lambda: progress.advance(task)


@contextmanager
def growing(title: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with how many parts of how many are done; 0 of 0 while nobody knows. Draws as `bar`."""
    with _drawn(title) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


def _drawn(title: str) -> Progress:
    console = Console(stderr=True)
    columns = TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)

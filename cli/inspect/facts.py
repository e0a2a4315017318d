"""What can be known of a frame: its task's way through the stages, its place now, its audio, its slot; pure."""

from typing import Any, NamedTuple

from cli.inspect.entries import Passage
from cli.inspect.letters import Letter
from common.contracts import Task
from common.records import SessionRecord


class Step(NamedTuple):
    stage: str
    wait_ms: float
    work_ms: float


class Way(NamedTuple):
    """A task's way through all stages.

    Attributes
    ----------
    steps : waits and work, stage by stage.
    other_ms : neither of them: reading and writing.
    lost : why its frames will never come; empty: they went into the ring.
    """

    first: int
    frames: int
    epoch: int
    steps: tuple[Step, ...]
    other_ms: float
    total_ms: float
    lost: str = ""

    def as_dict(self) -> dict[str, Any]:
        return self._asdict() | {"steps": [step._asdict() for step in self.steps]}


class Place(NamedTuple):
    """Where an unfinished task is; `worker` is None while it waits, with `ahead` tasks before it on the stream."""

    stream: str
    entry: str
    task: Task
    age_ms: float
    ahead: int
    worker: str | None
    idle_ms: int
    deliveries: int
    live_workers: int

    @property
    def left_ms(self) -> float:
        """How long somebody still waits for its frames; negative when nobody does."""
        return self.task.deadline_ms - self.task.sent_ms - self.age_ms


class Slot(NamedTuple):
    """What the frame's slot of the frame ring holds now."""

    slot: int
    frame: int
    epoch: int
    bytes: int


class Trace(NamedTuple):
    """All that Redis knows of a frame; `audio` is the first and last frame of the audio ring."""

    session: str
    frame: int
    record: SessionRecord | None
    audio: tuple[int, int] | None
    place: Place | None
    way: Way | None
    slot: Slot | None
    letter: Letter | None


def way_of(found: Passage) -> Way:
    """The way that a notice tells of."""
    steps = tuple(Step(stage, *times) for stage, times in found.timings.items())
    known_ms = sum(step.wait_ms + step.work_ms for step in steps)
    other_ms = round(max(0.0, found.total_ms - known_ms), 1)
    notice = found.notice
    return Way(notice.first, notice.count, notice.epoch, steps, other_ms, round(found.total_ms, 1), notice.lost)

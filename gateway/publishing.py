"""Which of a session's frames become tasks, how many go together, and which are left out; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from common.avatars.timeline import OPEN
from gateway.actions import Publish
from gateway.reorder import Reorder
from gateway.rules import SessionRules
from gateway.segmenter import Segment

SINGLE_FRAMES = 4
"""So many frames may be under way before the next ones are gathered. With 1, a frame that takes longer than a frame's
time makes the next one wait, and two sessions can keep each other late for minutes."""


@dataclass(slots=True)
class Publishing:
    """When the last sample had come that each frame needed which has not left; how many frames were left out."""

    rules: SessionRules
    skipped: int = 0
    _ready_ms: dict[int, float] = field(default_factory=dict)

    def publish(self, segments: Iterable[Segment], reorder: Reorder, now_ms: float) -> list[Publish]:
        """Tasks for the frames that are ready, oldest first; `reorder` awaits them from now on."""
        tasks: list[Publish] = []
        for segment in segments:
            for frame in range(segment.published, segment.ready):
                self._ready_ms.setdefault(segment.base + frame, now_ms)
            while segment.published < segment.ready:
                if self._is_late(segment, now_ms):
                    self._skip(segment, reorder, now_ms)
                elif count := gathered(self.rules, segment, reorder, now_ms):
                    tasks.append(self._task(segment, count, reorder, now_ms))
                else:
                    break
        return tasks

    def leave(self, frame: int, now_ms: float) -> float:
        """A frame leaves; when its last sample had come."""
        return self._ready_ms.pop(frame, now_ms)

    def forget_before(self, next_frame: int) -> None:
        """Frames that left no message behind; frames come in rising order."""
        while self._ready_ms and (frame := next(iter(self._ready_ms))) < next_frame:
            del self._ready_ms[frame]

    def clear(self) -> None:
        """Barge-in: no frame that has not left ever will."""
        self._ready_ms.clear()

    def _is_late(self, segment: Segment, now_ms: float) -> bool:
        """Whether the next frame to be published has been due for too long, on the media clock and by its audio."""
        if self.rules.skip_after_ms is None:
            return False
        media_ms = segment.begun_ms + segment.published * 1000 / segment.manifest.fps
        due_ms = max(media_ms, self._ready_ms[segment.base + segment.published])
        return now_ms - due_ms > self.rules.skip_after_ms

    def _skip(self, segment: Segment, reorder: Reorder, now_ms: float) -> None:
        """The frame before it is shown in its place."""
        reorder.skip(segment.base + segment.published, now_ms)
        segment.published += 1
        self.skipped += 1

    def _task(self, segment: Segment, count: int, reorder: Reorder, now_ms: float) -> Publish:
        first = segment.base + segment.published
        deadline_ms = now_ms + self.rules.deadline_ms
        reorder.expect(first, count, deadline_ms)
        task = Publish(
            avatar=segment.manifest.name,
            epoch=reorder.epoch,
            base=segment.base,
            first=first,
            count=count,
            samples=segment.samples if segment.closed else OPEN,
            template=segment.template + segment.published,
            ingest_ms=self._ready_ms[first + count - 1],
            deadline_ms=deadline_ms,
        )
        segment.published += count
        return task


def gathered(rules: SessionRules, segment: Segment, reorder: Reorder, now_ms: float) -> int:
    """How many of a segment's ready frames go as one task now; 0: they wait.

    While few frames are under way each goes at once, as latency asks; beyond `SINGLE_FRAMES` the workers are behind
    and what comes meanwhile goes together, as throughput asks. A full task never waits.
    """
    room = rules.in_flight_frames - reorder.pending
    waiting = min(segment.ready - segment.published, rules.task_frames)
    is_worth_it = waiting == rules.task_frames or segment.closed or reorder.awaited < SINGLE_FRAMES
    if room <= 0 or not is_worth_it or is_behind(rules, reorder, now_ms):
        return 0
    return min(waiting, room)


def is_behind(rules: SessionRules, reorder: Reorder, now_ms: float) -> bool:
    """Whether the workers are too far behind for a live session to ask for more."""
    if rules.skip_after_ms is None or (oldest_ms := reorder.oldest_deadline_ms) is None:
        return False
    return now_ms - (oldest_ms - rules.deadline_ms) > rules.skip_after_ms

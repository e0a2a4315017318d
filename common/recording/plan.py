"""From a recording to what must be said so that every picture comes out again, whatever the timing; pure.

What depended on time is said in so many words: where a segment ended by a pause stands a `Flush`, and before each
segment's first audio a `Begin` with the template position that it had. So the plan is made of the segments, and of what
was said only the audio, the switches and the barge-ins.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from common.media import BYTES_PER_SAMPLE
from common.recording.recording import Key, Recording, Taken


class Begin(NamedTuple):
    """A segment begins, at sample `audio` of its epoch in the recording."""

    t_ms: float
    epoch: int
    audio: int
    template: int


class Audio(NamedTuple):
    """PCM16 at the session's rate."""

    t_ms: float
    pcm: bytes


class Flush(NamedTuple):
    """The segment ends."""

    t_ms: float


class Switch(NamedTuple):
    """Another avatar follows."""

    t_ms: float
    avatar: str


class Clear(NamedTuple):
    """A barge-in, for when all frames of the `epoch` that were sent then have come; `shown` was the last seen."""

    t_ms: float
    epoch: int
    shown: Key | None


Step = Begin | Audio | Flush | Switch | Clear


def plan(recording: Recording) -> Iterator[Step]:
    """The steps, in order; after the last the session is to end."""
    walk = _Walk(recording)
    for taken in recording.inputs:
        match taken.input.input:
            case "audio":
                yield from walk.audio(taken)
            case "switch":
                walk.is_open = False  # which flushes too
                yield Switch(taken.input.t_ms, str(taken.input.data["avatar"]))
            case "clear":
                shown = taken.input.data
                key = None if shown is None else recording.key_of(taken.epoch, shown)
                yield Clear(taken.input.t_ms, taken.epoch, key)
                walk.leave()


@dataclass(slots=True)
class _Walk:
    """Along the audio of a recording, epoch by epoch."""

    recording: Recording
    position: int | None = None
    is_open: bool = False
    _ends: set[tuple[int, int]] = field(init=False)
    _places: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        segments = self.recording.segments.values()
        self._ends = {(s.epoch, s.end) for s in segments if s.end is not None}
        for epoch, place in sorted({*self.recording.segments, *self._ends}):
            self._places.setdefault(epoch, []).append(place)

    def leave(self) -> None:
        """The epoch is over; the next may begin at an earlier sample, if its client was made to say audio again."""
        self.position, self.is_open = None, False

    def audio(self, taken: Taken) -> Iterator[Step]:
        """A piece of audio, with the begins and ends that lie in it; silence stands for audio that was lost before."""
        epoch, item = taken
        start = item.audio if self.position is None else self.position
        lost, again = max(0, item.audio - start), max(0, start - item.audio)
        pcm = bytes(lost * BYTES_PER_SAMPLE) + item.data[again * BYTES_PER_SAMPLE :]
        position, stop = start, start + len(pcm) // BYTES_PER_SAMPLE
        while position < stop:
            yield from self._enter(epoch, position, item.t_ms)
            following = self._next_place(epoch, position, stop)
            yield Audio(item.t_ms, pcm[(position - start) * BYTES_PER_SAMPLE : (following - start) * BYTES_PER_SAMPLE])
            self.is_open, position = True, following
            if (epoch, position) in self._ends:
                self.is_open = False
                yield Flush(item.t_ms)
        self.position = position

    def _next_place(self, epoch: int, position: int, stop: int) -> int:
        """Where the next segment begins or ends, if that is before `stop`."""
        places = self._places.get(epoch, [])
        index = bisect_right(places, position)
        return min(places[index], stop) if index < len(places) else stop

    def _enter(self, epoch: int, position: int, t_ms: float) -> Iterator[Step]:
        segment = self.recording.segments.get((epoch, position))
        if segment is None:
            return
        if self.is_open:
            yield Flush(t_ms)  # its end was lost
        yield Begin(t_ms, epoch, position, segment.template)

"""What a session tells of its utterances: which of their frames have left, and where a barge-in cut them; pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import NamedTuple

from common.avatars.manifest import Manifest
from common.frames import Flag, FrameHeader, flags_of, with_flags
from gateway.actions import Outgoing
from gateway.messages import dump
from gateway.revival import Revival
from gateway.segmenter import Segment

SAID = "said by another gateway"
REMEMBERED = 256
"""Utterances of an epoch that are kept after their end: a client may have many more frames than it has shown."""


@dataclass(slots=True)
class Utterance:
    """A segment as its client sees it.

    `stop` is one past its last frame, once that is known; `start` the message that tells of its first frame, once there
    is one.
    """

    number: int
    first_frame: int
    template: int
    manifest: Manifest
    stop: int | None = None
    frames: int = 0
    concealed: int = 0
    start: str | None = None

    def reaches(self, frame: int) -> bool:
        """Whether it goes on at `frame` or later."""
        return self.stop is None or frame < self.stop


class Cut(NamedTuple):
    """Where a barge-in met the session: `frame` is the first that was not shown, `utterance` the one that it cut."""

    frame: int
    utterance: Utterance | None

    @property
    def frames(self) -> int:
        """Frames of the utterance that were shown."""
        return max(0, self.frame - self.utterance.first_frame) if self.utterance else 0


class Voided(NamedTuple):
    """An outbox without what a barge-in voids, in two parts: before the first message voided, and behind it.

    `first_frame` is the first that was not sent; `frames` of those were to leave, of which `concealed` are repeats.
    """

    before: list[Outgoing]
    behind: list[Outgoing]
    first_frame: int
    frames: int
    concealed: int


@dataclass(slots=True)
class Speech:
    """The utterances of the present epoch, oldest first."""

    fps: int
    epoch: int = 0
    first_frame: int = 0
    _utterances: deque[Utterance] = field(default_factory=deque)

    def begin(self, segment: Segment) -> None:
        """Audio of a new segment has come."""
        self._utterances.append(Utterance(segment.number, segment.base, segment.template, segment.manifest))

    def announcement(self, segment: Segment) -> str:
        """What the client is told of a new segment."""
        template = segment.manifest.template_index(segment.template)
        return dump(
            "segment", segment=segment.number, epoch=self.epoch, first_frame=segment.base, template=template,
            audio=segment.begins.audio,
        )  # fmt: skip

    def go_on(self, revival: Revival) -> None:
        """Know what another gateway knew; how many of the frames were repeats is lost."""
        self.epoch, self.first_frame = revival.epoch, revival.first_frame
        for segment in revival.segments:
            self.begin(segment)
            utterance, sent = self._utterances[-1], max(0, revival.next_frame - segment.base)
            if segment.closed:
                utterance.stop = segment.base + segment.frames
                sent = min(sent, segment.frames)
            utterance.frames = sent
            utterance.start = SAID if sent else None

    def close(self, stop: int) -> None:
        """The newest segment ends before frame `stop`."""
        self._utterances[-1].stop = stop

    def leave(self, frame: int, message: bytes, ready_ms: float) -> list[Outgoing]:
        """A frame leaves, marked if it is the last of its segment, and behind what is said before the first."""
        utterance = self._of(frame)
        utterance.frames += 1
        utterance.concealed += Flag.CONCEALED in flags_of(message)
        if utterance.stop == frame + 1:
            message = with_flags(message, Flag.LAST)
        picture = Outgoing(message, ready_ms, frame)
        if utterance.start is not None:
            return [picture]
        template = utterance.manifest.template_index(utterance.template + frame - utterance.first_frame)
        utterance.start = dump(
            "speak_started", segment=utterance.number, epoch=self.epoch, first_frame=frame, template=template
        )  # fmt: skip
        return [Outgoing(utterance.start, frame=frame), picture]

    def take_back(self, outbox: Sequence[Outgoing], next_frame: int) -> Voided:
        """What of an outbox a barge-in leaves: no picture, and no word of frames that were not sent.

        Parameters
        ----------
        next_frame : the first that is not in the outbox and was not sent.
        """
        messages = [item.message for item in outbox if item.frame is not None]
        speech = [FrameHeader.unpack(message)[0] for message in messages if isinstance(message, bytes)]
        first = speech[0].frame if speech else next_frame

        def is_void(item: Outgoing) -> bool:
            return isinstance(item.message, bytes) or (item.frame is not None and item.frame >= first)

        repeats = [Flag.CONCEALED in header.flags for header in speech]
        for header, repeat in zip(speech, repeats, strict=True):
            utterance = self._of(header.frame)
            utterance.frames -= 1
            utterance.concealed -= repeat
        unsaid = {item.message for item in outbox if is_void(item)}
        for utterance in self._utterances:
            utterance.start = None if utterance.start in unsaid else utterance.start
        before = list(takewhile(lambda item: not is_void(item), outbox))
        behind = [item for item in islice(outbox, len(before), None) if not is_void(item)]
        return Voided(before, behind, first, len(speech), sum(repeats))

    def end(self, segment: Segment) -> Outgoing:
        """The last frame of a segment has left; what is said of it."""
        utterance = next(u for u in self._utterances if u.number == segment.number)
        while len(self._utterances) > REMEMBERED and self._utterances[0] is not utterance:
            self._utterances.popleft()
        shown = (utterance.stop or utterance.first_frame) - utterance.first_frame
        return Outgoing(self._ended(utterance, shown, interrupted=False), frame=segment.base + segment.frames - 1)

    def cut(self, shown: int | None, unsent: int) -> Cut:
        """Where a barge-in falls.

        Parameters
        ----------
        shown : the last frame that the client has shown, as it says; None: it has shown what was sent.
        unsent : the first frame that was not sent.
        """
        frame = unsent if shown is None else min(max(shown + 1, self.first_frame), unsent)
        return Cut(frame, next((u for u in self._utterances if u.reaches(frame)), None))

    def resumes_at(self, manifest: Manifest, cut: Cut) -> tuple[Utterance, int] | None:
        """The first utterance of the avatar that was not wholly shown, and how many frames of it were."""
        rest = (u for u in self._utterances if u.manifest is manifest and u.reaches(cut.frame))
        utterance = next(rest, None)
        return (utterance, max(0, cut.frame - utterance.first_frame)) if utterance else None

    def clear(self, cut: Cut, unsent: int, epoch: int, next_frame: int) -> tuple[list[str], str]:
        """The barge-in's reports: the end of what was being said, and `cleared`; a new epoch begins."""
        begun = [u for u in self._utterances if u.start is not None and u.reaches(unsent)]
        reports = [self._ended(u, max(0, cut.frame - u.first_frame), interrupted=True) for u in begun]
        self._utterances.clear()
        self.epoch, self.first_frame = epoch, next_frame
        number = cut.utterance.number if cut.utterance else None
        position_ms = self._media_ms(cut.frames) if cut.utterance else None
        cleared = dump("cleared", epoch=epoch, next_frame=next_frame, segment=number, position_ms=position_ms)
        return reports, cleared

    def _of(self, frame: int) -> Utterance:
        return next(u for u in self._utterances if u.reaches(frame))

    def _ended(self, utterance: Utterance, shown: int, *, interrupted: bool) -> str:
        return dump(
            "speak_ended", segment=utterance.number, epoch=self.epoch, first_frame=utterance.first_frame,
            frames=utterance.frames, concealed=utterance.concealed, position_ms=self._media_ms(shown),
            interrupted=interrupted,
        )  # fmt: skip

    def _media_ms(self, frames: int) -> float:
        return frames * 1000 / self.fps

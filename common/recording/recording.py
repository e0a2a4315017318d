"""A recording as a whole, from the contents of its files; pure.

A session that went on at another gateway has several headers. What its client said again there stands in the recording
twice, and is taken once: of the earlier part only what came before the place where the later one begins.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from common.avatars.digest import AvatarDigest
from common.frames import Flag
from common.recording import framing
from common.recording.hashes import hash_over
from common.recording.records import VERSION, Footer, Frame, Header, Input, Record, RecordingError, Segment, decode

HOLE_REACH_S: Final = 2.0
"""Frames so near to lost audio are not expected to come out the same: no model looks as far."""


class Key(NamedTuple):
    """A frame whatever its number: the `offset`-th of the segment that began at sample `audio` of an epoch."""

    epoch: int
    audio: int
    offset: int


class Taken(NamedTuple):
    """An input and the epoch in which it came."""

    epoch: int
    input: Input


class Hole(NamedTuple):
    """Samples of an epoch's audio that were lost with the end of a file."""

    epoch: int
    start: int
    stop: int


Locate = Callable[[int, int], Key | None]
"""Epoch and number of a frame -> its key; None where no segment of the epoch has begun before it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is known of a session.

    Attributes
    ----------
    headers : the first is that of the session's start.
    inputs : in the order in which they came. A `clear` without data may be one that no client said: the session went on
        in a later epoch.
    segments : those with audio, the last that was written of each.
    frames : those that were sent, in their order.
    digests : of each avatar, as of when the session began to use it.
    footer : of the last part; None while it is written, and after a crash.
    is_whole : whether the footer agrees with the frames before it.
    lost_bytes : at the end of files that broke off.
    """

    headers: list[Header]
    inputs: list[Taken]
    segments: dict[tuple[int, int], Segment]
    frames: dict[Key, Frame]
    digests: dict[str, AvatarDigest]
    holes: list[Hole]
    footer: Footer | None
    is_whole: bool
    lost_bytes: int

    @property
    def header(self) -> Header:
        return self.headers[0]

    @property
    def concealed(self) -> int:
        """Frames that repeat the one before."""
        return sum(is_concealed(frame) for frame in self.frames.values())

    @property
    def duration_s(self) -> float:
        """From the session's start to the last that is known of it."""
        ends = [taken.input.t_ms for taken in self.inputs[-1:]] + [f.t_ms for f in self.frames.values()]
        return max(ends, default=0.0) / 1000

    def comparable(self) -> dict[Key, Frame]:
        """The frames that every run must give again: no repeats, and none that heard audio that is lost."""
        return {k: f for k, f in self.frames.items() if not is_concealed(f) and not self._is_near_hole(k)}

    def key_of(self, epoch: int, frame: int) -> Key | None:
        """The frame of a number."""
        return locator(self.segments.values())(epoch, frame)

    def _is_near_hole(self, key: Key) -> bool:
        rate, fps = self.header.sample_rate, self.header.fps
        at, reach = key.audio + key.offset * rate // fps, HOLE_REACH_S * rate
        return any(h.epoch == key.epoch and h.start - reach <= at <= h.stop + reach for h in self.holes)


def is_concealed(frame: Frame) -> bool:
    return Flag.CONCEALED in Flag(frame.flags)


def read(files: Sequence[bytes]) -> Recording:
    """The recording in the contents of its files, oldest first; whatever can be read of them counts.

    Raises
    ------
    RecordingError
        There is not even a header, or it is of a later version.
    """
    parts = [framing.unpack(data) for data in files]
    records = [record for part in parts for content in part.contents if (record := decode(content)) is not None]
    if not records or not isinstance(records[0], Header):
        raise RecordingError("not a recording: it does not begin with a header")
    return _joined(records, sum(part.lost_bytes for part in parts))


def _joined(records: Iterable[Record], lost_bytes: int) -> Recording:
    headers: list[Header] = []
    inputs: list[Taken] = []
    segments: list[Segment] = []
    frames: list[Frame] = []
    footer: Footer | None = None
    begun, epoch, later_ms = 0, 0, 0.0
    for record in records:
        match record:
            case Header():
                _check_version(record)
                headers.append(record)
                later_ms = (record.created_s - headers[0].created_s) * 1000
                if len(headers) > 1:
                    inputs = _up_to(inputs, record, later_ms)
                begun, epoch, footer = len(frames), record.epoch, None
            case Input():
                inputs.append(Taken(epoch, record._replace(t_ms=record.t_ms + later_ms)))
                epoch += record.input == "clear"
            case Segment():
                segments.append(record)
            case Frame():
                frames.append(record._replace(t_ms=record.t_ms + later_ms))
            case Footer():
                footer = record
    spoken = [segment for segment in segments if segment.end != segment.audio]
    return Recording(
        headers=headers,
        inputs=inputs,
        segments={(segment.epoch, segment.audio): segment for segment in spoken},
        frames=_by_key(frames, locator(spoken)),
        digests=_digests(headers, inputs),
        holes=_holes(inputs),
        footer=footer,
        is_whole=footer is not None and footer.hash == hash_over(frame.hash for frame in frames[begun:]),
        lost_bytes=lost_bytes,
    )


def _check_version(header: Header) -> None:
    if header.v > VERSION:
        raise RecordingError(f"the recording is of version {header.v}, this program reads up to {VERSION}")


def _up_to(inputs: list[Taken], header: Header, t_ms: float) -> list[Taken]:
    """What came before the place where a session goes on; its epoch may be a later one without anybody's `clear`."""
    place = (header.epoch, header.audio, header.commands)
    kept = [taken for taken in inputs if (taken.epoch, taken.input.audio, taken.input.commands) < place]
    last = kept[-1] if kept else Taken(0, Input(t_ms, "end", 0, 0))
    present = last.epoch + (last.input.input == "clear")
    lost = [Taken(e, Input(t_ms, "clear", last.input.audio, last.input.commands)) for e in range(present, header.epoch)]
    return kept + lost


def _by_key(frames: Iterable[Frame], locate: Locate) -> dict[Key, Frame]:
    return {key: frame for frame in frames if (key := locate(frame.epoch, frame.frame))}


def locator(segments: Iterable[Segment]) -> Locate:
    """Numbers of frames are never used twice, so each lies in the last segment of its epoch that begins before it."""
    bases: dict[int, list[tuple[int, int]]] = {}
    for segment in segments:
        bases.setdefault(segment.epoch, []).append((segment.base, segment.audio))
    for places in bases.values():
        places.sort()

    def locate(epoch: int, frame: int) -> Key | None:
        places = bases.get(epoch, [])
        index = bisect_right(places, frame, key=lambda place: place[0]) - 1
        return Key(epoch, places[index][1], frame - places[index][0]) if index >= 0 else None

    return locate


def _digests(headers: Sequence[Header], inputs: Sequence[Taken]) -> dict[str, AvatarDigest]:
    maps = [header.avatar for header in headers]
    maps += [taken.input.data for taken in inputs if taken.input.input == "switch"]
    digests = [AvatarDigest.model_validate(each) for each in maps]
    return {digest.avatar: digest for digest in digests}


def _holes(inputs: Sequence[Taken]) -> list[Hole]:
    holes: list[Hole] = []
    position: dict[int, int] = {}
    for epoch, item in inputs:
        if item.input == "audio":
            if item.audio > (before := position.get(epoch, item.audio)):
                holes.append(Hole(epoch, before, item.audio))
            position[epoch] = item.audio + len(item.data) // 2
    return holes

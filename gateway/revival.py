"""From what Redis holds of a session to the state in which another gateway goes on with it; pure."""

from collections.abc import Mapping
from typing import NamedTuple

from common.avatars.manifest import Manifest
from common.avatars.timeline import OPEN, columns_of_frames, samples_of_columns
from common.errors import InputError
from common.media import frames_covering
from common.records import SegmentRecord, SessionRecord, Stored
from common.resample import StreamResampler
from gateway.segmenter import Heard, Segment


class ResumeError(InputError):
    """A session cannot be resumed; another may be started on the same connection."""

    code = "cannot_resume"


class Revival(NamedTuple):
    """A session as another gateway finds it.

    Attributes
    ----------
    manifest : of the frames that come next.
    first_frame, next_frame : of the epoch; for the client.
    base, position : first frame and template position of a segment that would begin now.
    heard : how far into what the client sent the session is; from here on it is needed again.
    segments : those of the epoch; `outstanding` are the ones of which the client may lack something.
    farewell : what the client may not have been told of the last barge-in.
    """

    manifest: Manifest
    epoch: int
    first_frame: int
    next_frame: int
    base: int
    position: int
    heard: Heard
    segments: list[Segment]
    outstanding: list[Segment]
    segment_count: int
    delivered: int
    concealed: int
    farewell: list[str]


def revive(stored: Stored, manifests: Mapping[str, Manifest], last_frame: int | None, epoch: int | None) -> Revival:
    """Where the session goes on for a client that has got the frames up to `last_frame` of `epoch`.

    Raises
    ------
    ResumeError
        The frames that the client lacks can no longer be made, or were never announced, or are of an avatar that is
        not offered here.
    """
    record = stored.record
    knows_epoch = epoch is None or epoch >= record.epoch
    after = last_frame + 1 if last_frame is not None and knows_epoch else 0
    next_frame = max(record.first_frame, after)
    segments = [
        _segment(each, _manifest(manifests, each.avatar), stored, record.sample_rate)
        for each in stored.segments
        if each.number >= record.segments
    ]
    end = max([record.first_frame, *(segment.base + segment.frames for segment in segments)])
    if next_frame > end:
        raise ResumeError(f"frame {next_frame - 1} was never sent", field="last_frame", limit=end - 1)
    outstanding = [s for s in segments if not s.closed or s.base + s.frames >= next_frame]
    for segment in outstanding:
        segment.published = min(segment.ready, max(0, next_frame - segment.base))
        _check_ring(segment, stored)
    last = segments[-1] if segments else None
    return Revival(
        manifest=(outstanding[:1] or segments[-1:])[0].manifest if segments else _manifest(manifests, record.avatar),
        epoch=record.epoch,
        first_frame=record.first_frame,
        next_frame=next_frame,
        base=record.first_frame if last is None else last.base + last.frames if last.closed else last.base,
        position=record.template if last is None else last.template + last.frames,
        heard=_heard(record, last),
        segments=segments,
        outstanding=outstanding,
        segment_count=record.segments + len(segments),
        delivered=record.delivered + next_frame - record.first_frame,
        concealed=record.concealed,
        farewell=[] if knows_epoch else record.farewell.splitlines(),
    )


def _manifest(manifests: Mapping[str, Manifest], name: str) -> Manifest:
    if name not in manifests:
        raise ResumeError(f"avatar '{name}' is not offered here", field="avatar")
    return manifests[name]


def _segment(record: SegmentRecord, manifest: Manifest, stored: Stored, rate_hz: int) -> Segment:
    """The segment with as much of its audio as the ring has got; what came of a last, partial frame is lost."""
    begins = Heard(record.audio, record.commands)
    in_ring = max(0, stored.ring.stop - record.base)
    frames = frames_covering(max(0, record.samples), manifest.samples_per_frame)
    if record.samples != OPEN and in_ring >= frames:
        resampler, ends = StreamResampler(rate_hz), Heard(record.audio_end, record.commands_end)
        segment = Segment(record.number, record.base, record.template, manifest, begins, resampler, ends=ends)
        segment.samples, segment.ready = record.samples, frames
        return segment
    resampler = StreamResampler(rate_hz, in_ring * manifest.samples_per_frame)
    segment = Segment(record.number, record.base, record.template, manifest, begins, resampler)
    segment.go_on(in_ring)
    return segment


def _check_ring(segment: Segment, stored: Stored) -> None:
    """The next frame to be made needs audio that the ring may have lost."""
    if segment.published >= segment.ready:
        return
    manifest, samples = segment.manifest, segment.samples if segment.closed else OPEN
    columns = columns_of_frames(manifest, segment.published, 1, samples)
    oldest = segment.base + samples_of_columns(manifest, columns, samples).start // manifest.samples_per_frame
    if oldest < stored.ring.start:
        raise ResumeError(f"the audio of frame {segment.base + segment.published} is gone", field="last_frame")


def _heard(record: SessionRecord, last: Segment | None) -> Heard:
    if last is None:
        return Heard(record.audio, record.commands)
    return last.ends or Heard(last.begins.audio + last.resampler.position, last.begins.commands)

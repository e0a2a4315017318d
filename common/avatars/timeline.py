"""Which samples, feature columns and encoder steps a video frame needs; pure arithmetic on the manifest.

Frames and steps are counted from the start of their segment. With the segment's length N known the ends follow the
offline reference; while it is open (N = `OPEN`) only frames whose whole look-ahead has arrived may be asked for.
"""

from typing import Final, NamedTuple

from common.avatars.manifest import Encoder, Manifest
from common.errors import AvatarError
from common.media import frames_covering

OPEN: Final = -1
"""Length of a segment that goes on."""


class Span(NamedTuple):
    """The half-open range `[start, stop)`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def encoder_of(manifest: Manifest) -> Encoder:
    """The encoder of a manifest that has one; `Manifest.unsupported` says so of others."""
    if manifest.audio.encoder is None:
        raise AvatarError(f"avatar '{manifest.name}' has no audio encoder")
    return manifest.audio.encoder


def column_of_step(manifest: Manifest, step: int) -> int:
    """The feature column at which a step stands: floor(step * columns a frame)."""
    columns = manifest.columns_per_frame
    return step * columns.numerator // columns.denominator


def total_columns(manifest: Manifest, samples: int) -> int:
    """Columns of a clip of `samples` samples: 1 + floor(N / hop), centred frames."""
    return 1 + samples // manifest.audio.frontend.hop


def total_steps(manifest: Manifest, samples: int) -> int:
    """Encoder steps of a clip.

    With the `clamp` rule int((M - W) / columns a second * fps) + 2, as SyncTalk-2D's `utils.py` counts them; else one
    a frame. A clip shorter than one window is padded with silence to one window, so it has at least one step.
    """
    window = encoder_of(manifest).window
    if window.pad_end != "clamp":
        return frames_covering(samples, manifest.samples_per_frame)
    spare = max(0, total_columns(manifest, samples) - window.length)
    columns_hz = manifest.audio.frontend.sample_rate_hz / manifest.audio.frontend.hop
    # In floating point, as there: exact arithmetic counts one step more for some lengths (368 / 80 * 25 = 114.99...).
    return int(spare / columns_hz * manifest.fps) + 2


def steps_of_frames(manifest: Manifest, first: int, count: int, samples: int) -> Span:
    """Encoder steps that frames `[first, first + count)` see, within the segment; at least one."""
    window = manifest.audio.window
    start = first + window.start - window.lead_in
    stop = first + count - 1 + window.stop - window.lead_in
    if window.pad_start == "clamp":
        stop = max(stop, window.length - window.lead_in)
    if samples != OPEN:
        total = total_steps(manifest, samples)
        if window.pad_end == "clamp":
            start = min(start, total + window.lead_out - window.length)
        start, stop = min(start, total - 1), min(stop, total)
    start = max(0, start)
    return Span(start, max(stop, start + 1))


def columns_of_frames(manifest: Manifest, first: int, count: int, samples: int) -> Span:
    """Feature columns that an audio worker computes for the frames, within the segment; at least one."""
    steps, window = steps_of_frames(manifest, first, count, samples), encoder_of(manifest).window
    start = column_of_step(manifest, steps.start) + window.start
    stop = column_of_step(manifest, steps.stop - 1) + window.stop
    if window.pad_start == "clamp":
        stop = max(stop, window.length)
    if samples != OPEN:
        total = total_columns(manifest, samples)
        if window.pad_end == "clamp":
            start = min(start, total - window.length)
        start, stop = min(start, total - 1), min(stop, total)
    start = max(0, start)
    return Span(start, max(stop, start + 1))


def samples_of_columns(manifest: Manifest, columns: Span, samples: int) -> Span:
    """Samples that the columns need, pre-emphasis included, within the segment."""
    frontend = manifest.audio.frontend
    half = frontend.n_fft // 2
    stop = (columns.stop - 1) * frontend.hop + half
    return Span(max(0, columns.start * frontend.hop - half - 1), stop if samples == OPEN else min(stop, samples))


def samples_needed(manifest: Manifest, frame: int) -> int:
    """Samples of an open segment that must have arrived before `frame` can be computed."""
    last = columns_of_frames(manifest, frame, 1, OPEN).stop - 1
    return last * manifest.audio.frontend.hop + manifest.audio.frontend.n_fft // 2


def lookahead_samples(manifest: Manifest) -> int:
    """The most samples after its own first that any frame needs."""
    period = manifest.columns_per_frame.denominator
    near = range(period + manifest.audio.window.length)
    return max(samples_needed(manifest, frame) - frame * manifest.samples_per_frame for frame in near)


def lookback_samples(manifest: Manifest) -> int:
    """The most samples before its own first that any frame needs."""
    period = manifest.columns_per_frame.denominator
    far = range(1000 * period, 1001 * period)
    return max(
        frame * manifest.samples_per_frame
        - samples_of_columns(manifest, columns_of_frames(manifest, frame, 1, OPEN), OPEN).start
        for frame in far
    )

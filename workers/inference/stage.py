"""The inference stage: log-mel columns of many sessions -> mouth patches, one batch a network; pure but for a cache."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.avatars.manifest import Manifest
from common.avatars.package import Avatar
from common.avatars.timeline import OPEN, Span, columns_of_frames, encoder_of, steps_of_frames
from common.contracts import Task
from common.errors import TaskError
from common.jobs import Job
from workers.inference.cache import RowCache, StepKey, key_of
from workers.inference.engine import Engine, Provider, load_engine
from workers.inference.pictures import Bytes, Pictures, load_pictures, pixels
from workers.inference.windows import SILENCE, ZEROS, Floats, audio_tensor, encoder_windows, rows_of_frames

CACHED_ROWS: Final = 2048
"""4 MB of 512 floats a row. Frames share a few rows with those before them: enough for a hundred sessions."""


@dataclass(frozen=True, slots=True)
class LoadedAvatar:
    """An avatar that is ready to paint. `constant_rows` are those of windows without columns of the segment."""

    manifest: Manifest
    encoder: Engine
    painter: Engine
    pictures: Pictures
    constant_rows: Mapping[int, Floats]


def load_avatar(avatar: Avatar, provider: Provider, threads: int, pictures: Pictures | None = None) -> LoadedAvatar:
    """Load an avatar's networks, warm them up, and decode its template; takes about a second.

    Parameters
    ----------
    pictures : those of the template, where somebody else decodes it.

    Raises
    ------
    ProviderError
        The provider is not there.
    AvatarError
        A network or the template is missing, broken, or not as the manifest announces it.
    """
    manifest = avatar.manifest
    parts, image, audio = encoder_of(manifest), manifest.image.tensor, manifest.audio.tensor
    encoder = load_engine(avatar.file(parts.model), [parts.input], parts.output, provider, threads)
    painter = load_engine(avatar.file(manifest.models[0]), [image, audio], manifest.output.tensor, provider, threads)
    none = np.empty((0, manifest.audio.frontend.bands), np.float32)
    silence = encoder_windows(manifest, none, Span(0, 0), [SILENCE], OPEN)
    rows = {
        SILENCE: _encode(manifest, encoder, silence)[0],
        ZEROS: np.zeros(parts.features, np.float32),
    }
    return LoadedAvatar(manifest, encoder, painter, pictures or load_pictures(avatar), rows)


class _Segment(NamedTuple):
    """A task with its columns unpacked."""

    task: Task
    columns: Floats
    held: Span
    steps: Span


@dataclass(slots=True)
class Inference:
    """The stage's function, with the avatars that it serves; for one thread at a time.

    What a job gives does not depend on the jobs beside it, nor on what was computed before.
    """

    avatars: Mapping[str, LoadedAvatar]
    cache: RowCache = field(default_factory=lambda: RowCache(CACHED_ROWS))

    def process(self, jobs: Sequence[Job]) -> list[list[bytes]]:
        """One result a job: its patches as uint8, shape (count, height, width, 3), BGR.

        Raises
        ------
        TaskError
            A payload is not the finite float32 columns that the task's frames need (for good), or the avatar is not
            one of ours (another worker may have it).
        """
        results: list[list[bytes]] = [[] for _ in jobs]
        for name, places in _by_avatar(jobs).items():
            if name not in self.avatars:
                raise TaskError(f"this inference worker does not serve avatar '{name}'", retryable=True)
            for place, patches in zip(places, self._paint(self.avatars[name], [jobs[p] for p in places]), strict=True):
                results[place].append(patches.tobytes())
        return results

    def _paint(self, avatar: LoadedAvatar, jobs: Sequence[Job]) -> list[Bytes]:
        """The patches of each job."""
        manifest = avatar.manifest
        segments = [_unpack(manifest, job) for job in jobs]
        rows = self._rows(avatar, segments)
        audio = np.concatenate([_audio_of(avatar, segment, rows) for segment in segments])
        indices = [manifest.template_index(s.task.template + k) for s in segments for k in range(s.task.count)]
        pieces = []
        for batch in _batches(len(indices), avatar.painter.batch):
            feeds: dict[str, NDArray[Any]] = {
                manifest.image.tensor.name: avatar.pictures.tensor(indices[batch]),
                manifest.audio.tensor.name: audio[batch],
            }
            pieces.append(pixels(manifest.output, avatar.painter.run(feeds)))
        ends = np.cumsum([s.task.count for s in segments])
        return np.split(np.concatenate(pieces), ends[:-1])

    def _rows(self, avatar: LoadedAvatar, segments: Sequence[_Segment]) -> dict[StepKey, Floats]:
        """The encoder's rows of all steps that the segments see; those that the cache lacks as one batch."""
        cached: dict[StepKey, Floats | None] = {}
        windows = []
        for task, columns, held, steps in segments:
            keys = [key_of(task, step) for step in range(*steps)]
            found = {key: self.cache.get(key) for key in keys if key not in cached}
            lacking = [key.step for key, row in found.items() if row is None]
            windows.append(encoder_windows(avatar.manifest, columns, held, lacking, task.samples))
            cached |= found
        rows = {key: row for key, row in cached.items() if row is not None}
        missing, inputs = [key for key in cached if key not in rows], np.concatenate(windows)
        rows |= zip(missing, _encode(avatar.manifest, avatar.encoder, inputs), strict=True)
        for key in missing:
            self.cache.put(key, rows[key])
        return rows


def _by_avatar(jobs: Sequence[Job]) -> dict[str, list[int]]:
    """Places of the jobs of each avatar."""
    places: dict[str, list[int]] = {}
    for place, job in enumerate(jobs):
        places.setdefault(job.task.avatar, []).append(place)
    return places


def _unpack(manifest: Manifest, job: Job) -> _Segment:
    task, bands = job.task, manifest.audio.frontend.bands
    held = columns_of_frames(manifest, task.offset, task.count, task.samples)
    size = held.length * bands * np.dtype(np.float32).itemsize
    if len(job.payload) != size:
        raise TaskError(
            f"payload: {len(job.payload)} bytes, but frames [{task.first}, {task.end}) need {held.length} columns "
            f"of {bands} float32, {size} bytes"
        )
    columns = np.frombuffer(job.payload, np.float32).reshape(held.length, bands)
    if not np.isfinite(columns).all():
        raise TaskError(f"payload: the columns of frames [{task.first}, {task.end}) hold NaN or infinity")
    return _Segment(task, columns, held, steps_of_frames(manifest, task.offset, task.count, task.samples))


def _audio_of(avatar: LoadedAvatar, segment: _Segment, rows: Mapping[StepKey, Floats]) -> Floats:
    task = segment.task
    of_step = {step: rows[key_of(task, step)] for step in range(*segment.steps)}
    found = rows_of_frames(avatar.manifest, task.offset, task.count, task.samples)
    return audio_tensor(avatar.manifest, found, {**avatar.constant_rows, **of_step})


def _encode(manifest: Manifest, encoder: Engine, windows: Floats) -> Floats:
    """Encoder rows, float32, shape (windows, features)."""
    parts = encoder_of(manifest)
    rows = np.empty((len(windows), parts.features), np.float32)
    for batch in _batches(len(windows), encoder.batch):
        rows[batch] = encoder.run({parts.input.name: windows[batch]}).reshape(-1, parts.features)
    return rows


def _batches(total: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, total, size))

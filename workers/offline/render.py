"""The offline renderer: the stages' own functions over a whole recording, without Redis and without clocks."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, Literal, NamedTuple

from common.avatars.manifest import Manifest
from common.avatars.package import Avatar
from common.contracts import Task
from common.cores import cores
from common.errors import AudioError
from common.jobs import Job
from common.media import BYTES_PER_SAMPLE, frames_covering
from common.resample import StreamResampler
from common.settings import Settings
from workers.audio.stage import AudioStage, samples_of_task
from workers.compositor.pictures import Pictures
from workers.compositor.stage import Compositor
from workers.inference.pictures import blank_pictures, filling
from workers.inference.stage import Inference, load_avatar
from workers.offline.ahead import ahead, taking_turns
from workers.offline.media import Clip

Process = Callable[[Sequence[Job]], list[list[bytes]]]


class Stages(NamedTuple):
    """What turns jobs into frames, in order; up to `models` threads may be in `inference` at once."""

    audio: Process
    inference: Process
    compositor: Process
    models: int


def load_stages(avatar: Avatar, settings: Settings) -> Stages:
    """The three stages for one avatar; loads its models and encodes its template.

    Raises
    ------
    ProviderError
        The settings' ONNX Runtime provider is not there.
    """
    seen = blank_pictures(avatar)
    loaded = load_avatar(avatar, settings.provider, settings.model_threads, seen)
    # One pass over the template serves both stages, decoded in a thread while the compositor encodes.
    decoded = avatar.template_frames()
    count = avatar.manifest.image.template.frames
    frames = filling(seen, avatar, ahead(lambda _: next(decoded), range(count), depth=8))
    compositor = Compositor([Pictures(avatar, settings.jpeg_quality, frames)])
    audio = AudioStage({avatar.name: avatar.manifest})
    models = 1 if settings.provider == "cuda" else max(1, int(cores()) // settings.model_threads)
    inference = taking_turns([Inference({avatar.name: loaded}).process for _ in range(models)])
    return Stages(audio.process, inference, compositor.process, models)


def pcm_of(clip: Clip) -> bytes:
    """The recording as PCM16 at 16 kHz, as a gateway makes it of the same samples.

    Raises
    ------
    AudioError
        Nothing is left of it at 16 kHz.
    """
    resampler = StreamResampler(clip.rate_hz)
    pcm = resampler.push(clip.pcm) + resampler.finish()
    if not pcm:
        raise AudioError(f"the recording is too short: {len(clip.samples)} samples at {clip.rate_hz} Hz", field="audio")
    return pcm


class View(NamedTuple):
    """How a segment is shown: over which template position it begins, how many frames of it, and how much of them."""

    template: int = 0
    frames: int | None = None
    output: Literal["frame", "patch"] = "frame"


_ALL: Final = View()


def tasks_of(manifest: Manifest, pcm: bytes, settings: Settings, view: View = _ALL) -> Iterator[Task]:
    """The tasks of one closed segment, in order; times are of no use here and are 0."""
    # Stages remember by session what they computed, so another recording must be another session.
    session = f"offline-{hashlib.sha256(pcm).hexdigest()[:16]}"
    samples = len(pcm) // BYTES_PER_SAMPLE
    frames = frames_covering(samples, manifest.samples_per_frame)
    frames = frames if view.frames is None else min(frames, view.frames)
    for first in range(0, frames, settings.task_frames):
        yield Task(
            session=session,
            gateway="offline",
            avatar=manifest.name,
            epoch=0,
            base=0,
            first=first,
            count=min(settings.task_frames, frames - first),
            samples=samples,
            template=view.template + first,
            quality=settings.jpeg_quality,
            output=view.output,
            ingest_ms=0,
            deadline_ms=0,
            sent_ms=0,
        )


def render_frames(
    manifest: Manifest, stages: Stages, pcm: bytes, settings: Settings, view: View = _ALL
) -> Iterator[bytes]:
    """The frames of a recording as clients get them, header and JPEG, one segment from frame 0 on.

    Model, compositor and the caller work at the same time, a few tasks ahead of each other.

    Parameters
    ----------
    pcm : PCM16 at 16 kHz.
    """
    jobs = (_job_of(manifest, task, pcm) for task in tasks_of(manifest, pcm, settings, view))
    columns = (_onward(stages.audio, job) for job in jobs)
    patches = ahead(partial(_onward, stages.inference), columns, stages.models, depth=3 + stages.models)
    for frames in ahead(lambda job: stages.compositor([job])[0], patches):
        yield from frames


def _job_of(manifest: Manifest, task: Task, pcm: bytes) -> Job:
    span = samples_of_task(manifest, task)
    return Job(task, pcm[span.start * BYTES_PER_SAMPLE : span.stop * BYTES_PER_SAMPLE])


def _onward(process: Process, job: Job) -> Job:
    [[result]] = process([job])
    return Job(job.task, result)

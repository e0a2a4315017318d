"""The audio stage: samples of a task's frames -> the log-mel columns that they need; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.avatars.manifest import Manifest
from common.avatars.timeline import Span, columns_of_frames, samples_of_columns
from common.contracts import Task
from common.errors import TaskError
from common.jobs import Job
from common.media import BYTES_PER_SAMPLE
from workers.audio.mel import mel_columns


def columns_of_task(manifest: Manifest, task: Task) -> Span:
    """The columns of its segment that a task's frames need."""
    return columns_of_frames(manifest, task.offset, task.count, task.samples)


def samples_of_task(manifest: Manifest, task: Task) -> Span:
    """The samples of its segment that a task needs."""
    return samples_of_columns(manifest, columns_of_task(manifest, task), task.samples)


@dataclass(frozen=True, slots=True)
class AudioStage:
    """The stage's function, with the manifests of the avatars that it serves."""

    manifests: Mapping[str, Manifest]

    def process(self, jobs: Sequence[Job]) -> list[list[bytes]]:
        """One result a job: its columns as float32, shape (columns, bands), C order.

        Raises
        ------
        TaskError
            A payload is not exactly the PCM16 of `samples_of_task`, or the avatar is not one of ours. Both may be
            right at another try.
        """
        return [[self._columns(job)] for job in jobs]

    def _columns(self, job: Job) -> bytes:
        manifest = self.manifests.get(job.task.avatar)
        if manifest is None:
            raise TaskError(f"this audio worker does not serve avatar '{job.task.avatar}'", retryable=True)
        span = samples_of_task(manifest, job.task)
        if len(job.payload) != span.length * BYTES_PER_SAMPLE:
            raise TaskError(
                f"the audio ring no longer or not yet holds samples [{span.start}, {span.stop}) of the segment at "
                f"frame {job.task.base}: {len(job.payload)} of {span.length * BYTES_PER_SAMPLE} bytes",
                retryable=True,
            )
        columns = columns_of_task(manifest, job.task)
        return mel_columns(job.payload, span.start, columns, job.task.samples).tobytes()

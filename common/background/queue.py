"""The queue of background jobs: what gateways ask of it. All of it blocks: off the event loop with it."""

import re
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from redis import Redis
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.exceptions import DeserializationError, InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import BaseRegistry

from common import keys
from common.background import serial
from common.background.files import files_at
from common.background.requests import ENDED, JOB_ID_PATTERN, JobEntry, Kind, Request, State, parse
from common.errors import CapacityError, InputError, LipstreamError
from common.redis_blocking import connect_blocking
from common.redis_client import translated
from common.settings import Settings

CANCELED: Final = "canceled"
"""A field of RQ's hash of a job: when somebody wanted it to end. RQ does not tell a worker that is just taking it."""
_DIED: Final = {"code": "internal", "message": "the worker that did it died", "retryable": False}
_WAITING: Final = (JobStatus.CREATED, JobStatus.QUEUED, JobStatus.DEFERRED, JobStatus.SCHEDULED)


class UnknownJobError(InputError):
    """No job has that id, or it has been forgotten."""

    code = "not_found"


class JobEndedError(LipstreamError):
    """A job that has ended cannot be cancelled."""

    code = "conflict"


@dataclass(slots=True)
class Jobs:
    """The background jobs of an installation; every method raises `BusError` where Redis fails."""

    settings: Settings
    connect: Callable[[Settings], Redis] = connect_blocking
    _redis: Redis | None = field(default=None, repr=False)

    @property
    def redis(self) -> Redis:
        """The connection, made at the first call.

        Raises
        ------
        SettingsError
            The settings' Redis is a cluster.
        """
        if self._redis is None:
            self._redis = self.connect(self.settings)
        return self._redis

    @property
    def queue(self) -> Queue:
        return Queue(keys.JOBS_QUEUE, connection=self.redis, serializer=serial)

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()

    def check_room(self) -> None:
        """Refuse one more job when too many wait.

        Raises
        ------
        CapacityError
            `jobs_queue_max` is reached.
        """
        with translated():
            waiting = self.queue.count
        if waiting >= self.settings.jobs_queue_max:
            message = f"{waiting} jobs wait and no more than {self.settings.jobs_queue_max} may; try again later"
            raise CapacityError(message, field="jobs_queue_max", limit=self.settings.jobs_queue_max)

    def submit(self, request: Request, job: str | None = None) -> JobEntry:
        """Put a job into the queue, under an id of `new_id` where its files are there already.

        Raises
        ------
        CapacityError
            Too many wait.
        """
        self.check_room()
        settings = self.settings
        with translated():
            made = self.queue.enqueue_call(
                serial.FUNCTION,
                args=[request.model_dump(mode="json")],
                job_id=job or new_id(),
                timeout=_limits_s(settings)[request.kind],
                ttl=settings.jobs_keep_s,
                result_ttl=settings.jobs_keep_s,
                failure_ttl=settings.jobs_keep_s,
                description=request.kind,
                retry=Retry(max=settings.jobs_retries) if settings.jobs_retries else None,
            )
        return self._entry(made, None)

    def entry(self, job: str) -> JobEntry:
        """One job as it stands.

        Raises
        ------
        UnknownJobError
            There is none of that id.
        """
        with translated():
            found = self._fetch(job)
            return self._entry(found, self.redis.hget(found.key, CANCELED))

    def entries(self, limit: int) -> list[JobEntry]:
        """The newest jobs, the newest first."""
        with translated():
            found = [job for job in self._fetch_many(limit) if job is not None and _is_ours(job)]
            pipe = self.redis.pipeline(transaction=False)
            for job in found:
                pipe.hget(job.key, CANCELED)
            entries = [self._entry(*pair) for pair in zip(found, pipe.execute(), strict=True)]
        return sorted(entries, key=lambda entry: entry.created_at, reverse=True)[:limit]

    def cancel(self, job: str) -> JobEntry:
        """End a job: one that waits at once, one that is being done in a moment.

        Raises
        ------
        UnknownJobError, JobEndedError, StoreError
            There is none of that id; it has ended; what was uploaded for it cannot be removed.
        """
        before = self.entry(job)
        if before.state in ENDED:
            raise JobEndedError(f"job {job} has ended: it is {before.state}", field="job")
        with translated():
            # Told first: a worker that takes the job from now on sees it.
            self.redis.hset(Job.key_for(job), CANCELED, time.time())
            found = self._fetch(job)
            with suppress(InvalidJobOperation):
                if found.get_status(refresh=False) in _WAITING:
                    found.cancel()
                    self.redis.expire(found.key, self.settings.jobs_keep_s)
                else:
                    send_stop_job_command(self.redis, job, serializer=serial)
        files_at(self.settings.jobs_url).drop_upload(job)
        return self.entry(job)

    def is_known(self, job: str) -> bool:
        """Whether a job is not forgotten yet."""
        with translated():
            return bool(self.redis.exists(Job.key_for(job)))

    def forget_canceled(self) -> None:
        """Take out of RQ's list of canceled jobs those that have expired; RQ itself never does."""
        registry = self.queue.canceled_job_registry
        with translated():
            for job in registry.get_job_ids():
                if not self.redis.exists(Job.key_for(job)):
                    registry.remove(job)

    def _fetch(self, job: str) -> Job:
        with suppress(NoSuchJobError):
            if re.fullmatch(JOB_ID_PATTERN, job) and _is_ours(
                found := Job.fetch(job, connection=self.redis, serializer=serial)
            ):
                return found
        raise UnknownJobError(f"no job {job[:64]}; it may have been forgotten", field="job")

    def _fetch_many(self, limit: int) -> list[Job | None]:
        queue = self.queue
        registries: Iterable[BaseRegistry] = (
            queue.started_job_registry, queue.finished_job_registry, queue.failed_job_registry,
            queue.canceled_job_registry,
        )  # fmt: skip
        ids = [*queue.get_job_ids(-limit), *queue.intermediate_queue.get_job_ids()]
        for registry in registries:
            # Scored by time: the last ones are the newest.
            ids += registry.get_job_ids(0, limit - 1, desc=True, cleanup=False)
        found: list[Job | None] = Job.fetch_many(list(dict.fromkeys(ids)), connection=self.redis, serializer=serial)
        return found

    def _entry(self, job: Job, canceled_s: bytes | str | None) -> JobEntry:
        meta, state = job.meta, _state(job.get_status(refresh=False), canceled_s is not None)
        ended_at = job.ended_at if state in ("finished", "failed") else None
        if state == "canceled" and canceled_s is not None:
            ended_at = datetime.fromtimestamp(float(canceled_s), UTC)
        return JobEntry(
            id=job.id,
            request=parse(job.args[0]),
            state=state,
            attempt=meta.get("attempt", 0),
            done=meta.get("done", 0),
            total=meta.get("total", 0),
            created_at=job.created_at,
            started_at=job.started_at,
            ended_at=ended_at,
            expires_at=ended_at and ended_at + timedelta(seconds=self.settings.jobs_keep_s),
            outcome=meta.get("outcome") if state == "finished" else None,
            error=_error(meta, state),
        )


def new_id() -> str:
    """An id for a job to come."""
    return secrets.token_hex(8)


def _limits_s(settings: Settings) -> dict[Kind, int]:
    return {
        "render": settings.jobs_render_s,
        "export": settings.jobs_export_s,
        "frames": settings.jobs_frames_s,
        "prune": settings.jobs_prune_s,
    }


def _is_ours(job: Job) -> bool:
    """Whether it is in our queue, and a call that `serial` lets through."""
    try:
        return bool(job.origin == keys.JOBS_QUEUE and job.args)
    except DeserializationError:
        return False


def _state(status: JobStatus | None, is_canceled: bool) -> State:
    if status in _WAITING:
        return "canceled" if is_canceled else "queued"
    match status:
        case JobStatus.STARTED:
            return "canceling" if is_canceled else "running"
        case JobStatus.FINISHED:
            return "finished"
        case JobStatus.FAILED if not is_canceled:
            return "failed"
    return "canceled"


def _error(meta: dict[str, Any], state: State) -> dict[str, Any] | None:
    """Of a failed job, or of the try before this one."""
    error: dict[str, Any] | None = meta.get("error")
    if state == "failed":
        return error or _DIED
    return error if state in ("queued", "running") else None

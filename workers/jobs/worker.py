"""RQ's worker, as Lipstream wants it; of a class because RQ asks for one."""

import logging
import time
from contextlib import suppress
from typing import Any, Final

from rq import Worker
from rq.executions import Execution
from rq.job import Job

from common import keys
from common.background import serial
from common.background.files import files_at
from common.background.queue import Jobs
from common.background.requests import Prune
from common.errors import BusError, LipstreamError
from common.redis_client import translated

log = logging.getLogger(__name__)

MONITOR_S: Final = 5
"""How often a worker says that the job in hand goes on."""
ABANDONED_S: Final = 30
"""A job of which nobody has said so for so long is another worker's: its own has died."""
IDLE_S: Final = 10
"""An idle worker looks after abandoned jobs so often."""
SWEEP_S: Final = 300.0
PRUNE_S: Final = 3_600
"""Old recordings are looked for so often, by one of all workers."""
_CONNECTED_S: Final = 15
"""RQ blocks for so much less than its `worker_ttl`."""


class JobsWorker(Worker):
    """Does one job at a time in a process of its own, and looks after what others have left."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(
            [jobs.queue], connection=jobs.redis, serializer=serial, job_monitoring_interval=MONITOR_S,
            maintenance_interval=IDLE_S, worker_ttl=IDLE_S + _CONNECTED_S, log_job_description=True,
        )  # fmt: skip
        self._jobs = jobs
        self._swept_s = float("-inf")

    @property
    def is_asked_to_stop(self) -> bool:
        return self._shutdown_requested_date is not None

    @property
    def turned_s(self) -> float:
        """Seconds since the loop last turned, or looked at the job in hand."""
        return time.time() - self.last_heartbeat.timestamp() if self.last_heartbeat else 0.0

    def counts(self) -> dict[str, float]:
        """Jobs done and failed, as the horses count them in Redis; none while it is away."""
        with suppress(BusError), translated():
            done, failed = self.connection.hmget(self.key, "successful_job_count", "failed_job_count")
            return {"jobs_done": float(done or 0), "jobs_failed": float(failed or 0)}
        return {}

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds after which the job counts as abandoned unless something is heard of it."""
        return ABANDONED_S

    def handle_warm_shutdown_request(self) -> None:
        """On SIGTERM: the job in hand goes back into the queue, since it may take longer than anybody waits."""
        self.end_horse()

    def end_horse(self) -> None:
        """Kill the process that does the job in hand, if there is one."""
        if self.horse_pid:
            self.kill_horse()

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Say that the job in hand goes on; while Redis is away nobody hears it, and the job goes on all the same."""
        try:
            with translated():
                super().maintain_heartbeats(job, execution)
        except BusError as error:
            log.warning("job %s goes on unheard: %s", job.id, error)

    def handle_work_horse_killed(self, job: Job, retpid: int, ret_val: int, rusage: Any) -> None:
        """A horse has died before it could say how its job went; RQ has another try if there is one left."""
        job.get_meta(refresh=True)
        if self.is_asked_to_stop:
            # No fault of the job's: it costs none of its tries, and its turn.
            job.retries_left, job.enqueue_at_front_on_retry = (job.retries_left or 0) + 1, True
            return
        reason = f"its process was killed (status {ret_val}); perhaps it needs more memory than it may have"
        error = LipstreamError(reason)
        job.meta["error"] = error.as_dict()
        job.save_meta()  # type: ignore[no-untyped-call]

    def run_maintenance_tasks(self) -> None:
        """What RQ does after dead workers, and what it leaves."""
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
        if time.monotonic() - self._swept_s > SWEEP_S:
            self._swept_s = time.monotonic()
            self._sweep()
            self._prune()

    def _sweep(self) -> None:
        try:
            self._jobs.forget_canceled()
            strays = files_at(self._jobs.settings.jobs_url).sweep(self._jobs.is_known)
        except LipstreamError as error:
            log.warning("the files of forgotten jobs stay for now: %s", error.message)
        else:
            log.info("removed the files of %d forgotten jobs", len(strays))

    def _prune(self) -> None:
        """Ask for a job that removes old recordings, unless a worker has done so within `PRUNE_S`."""
        days = self._jobs.settings.recordings_keep_days
        if days is None:
            return
        try:
            with translated():
                is_due = self.connection.set(keys.recordings_pruned(), int(time.time()), nx=True, ex=PRUNE_S)
            if is_due:
                job = self._jobs.submit(Prune(days=days))
                log.info("job %s removes the recordings that are older than %g days", job.id, days)
        except LipstreamError as error:
            log.warning("old recordings stay for now: %s", error.message)

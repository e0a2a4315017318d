"""The jobs worker: background jobs, one at a time, with whatever processor time nobody else wants."""

import logging
import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from rq.exceptions import StopRequested

from common.background.queue import Jobs
from common.errors import BusError
from common.logging import identify
from common.redis_blocking import check_server
from common.redis_client import translated
from common.settings import Settings
from common.telemetry import State, WorkerMetrics, served
from common.tls import server_context
from workers.jobs.place import PLACE, Place
from workers.jobs.worker import IDLE_S, JobsWorker

log = logging.getLogger(__name__)

NICE: Final = 19
"""Live sessions go first: on a busy machine a job gets 1.5 % of what an ordinary process does."""
AGAIN_S: Final = 2.0
SILENT_S: Final = 6 * IDLE_S
"""A worker whose loop stands still for so long is to be restarted."""


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, on which the job in hand goes back into the queue; blocking.

    Raises
    ------
    BusError
        Redis cannot be reached at start, or is too old.
    SettingsError
        The settings' Redis is a cluster; the port for the metrics is taken.
    """
    os.nice(NICE)
    logging.getLogger("rq.worker").addFilter(_is_news)
    jobs = Jobs(settings)
    version = check_server(jobs.redis)
    with translated():
        current = [JobsWorker(jobs)]
    with tempfile.TemporaryDirectory(prefix="lipstream-jobs-") as folder:
        PLACE.set(Place(settings, Path(folder) / "job"))
        identify(stage="jobs", worker=current[0].name)
        log.info("jobs worker %s is ready on Redis %s", current[0].name, version)
        metrics = WorkerMetrics("jobs", lambda: current[0].counts())
        tls = server_context(settings)
        telling = served(settings.metrics_port, settings.host, metrics, lambda: _state(current[0]), tls)
        with telling, suppress(StopRequested):
            _work(jobs, current)
    log.info("jobs worker left")


def _work(jobs: Jobs, current: list[JobsWorker]) -> None:
    """RQ gives up when it loses Redis at a bad moment; here a new worker takes the old one's place."""
    while True:
        with suppress(BusError), translated():
            current[0].work(logging_level="WARNING")
        if current[0].is_asked_to_stop:
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
        current[0].end_horse()
        current[0] = _another(jobs)


def _another(jobs: Jobs) -> JobsWorker:
    """A new worker, as soon as Redis is there."""
    while True:
        log.warning("the jobs worker has lost Redis; next try in %.0f s", AGAIN_S)
        time.sleep(AGAIN_S)
        with suppress(BusError), translated():
            return JobsWorker(jobs)


def _leave(*_: object) -> None:
    raise StopRequested


def _is_news(record: logging.LogRecord) -> bool:
    """The horse says itself why a job failed, in a line, and shows the trace only where the fault is ours."""
    return "exception raised while executing" not in str(record.msg)


def _state(worker: JobsWorker) -> State:
    lives = worker.turned_s < SILENT_S
    return State(lives, lives and not worker.is_asked_to_stop)

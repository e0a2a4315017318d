"""What RQ calls, by name, in a process of its own for each job: the work horse."""

import ctypes
import logging
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Final

from rq import get_current_job
from rq.job import Job
from rq.timeouts import JobTimeoutException

from common.background.files import files_at
from common.background.requests import Outcome, parse
from common.errors import LipstreamError
from workers.jobs.kinds import DO, Work
from workers.jobs.place import PLACE
from workers.jobs.progress import Progress

log = logging.getLogger(__name__)

PAUSES_S: Final = (1.0, 5.0, 20.0)
"""Before another try: what has failed for now needs a moment."""
_PR_SET_PDEATHSIG: Final = 1


class TimeLimitError(LipstreamError):
    """A job has taken longer than its kind may."""

    code = "timed_out"


def run(content: dict[str, Any]) -> None:
    """Do the job of a request; what came of it, or the error, goes into the job's meta.

    A fault that may pass uses up one of the tries that RQ counts; any other ends the job.
    """
    _die_with_parent()
    job, place = get_current_job(), PLACE.get()
    assert job is not None
    progress, files = Progress(job), files_at(place.settings.jobs_url)
    try:
        progress.note(attempt=job.meta.get("attempt", 0) + 1, done=0, total=0)
        progress.check()
        request = parse(content)
        work = Work(job.id, place.settings, files, _emptied(place.scratch), progress)
        outcome: Outcome = DO[request.kind](request, work)
        progress.note(outcome=outcome.model_dump(mode="json"), error=None)
        log.info("job %s: %s finished", job.id, request.kind)
    except Exception as error:
        failure = _failure(error, job)
        _after(failure, job, progress)
        if not job.should_retry:
            files.drop_upload(job.id)
        raise failure from error
    files.drop_upload(job.id)


def _after(failure: LipstreamError, job: Job, progress: Progress) -> None:
    """Write the failure down; a fault that may pass waits a moment before RQ has its next try."""
    log.info("job %s, try %d: %s: %s", job.id, job.meta["attempt"], failure.code, failure.message)
    progress.note(error=failure.as_dict())
    if not failure.retryable:
        job.retries_left = 0
    elif job.should_retry:
        progress.pause(PAUSES_S[min(job.meta["attempt"], len(PAUSES_S)) - 1])


def _failure(error: Exception, job: Job) -> LipstreamError:
    match error:
        case LipstreamError():
            return error
        case JobTimeoutException():
            name, limit_s = f"jobs_{job.description}_s", job.timeout
            return TimeLimitError(f"not done within {limit_s} s ({name})", field=name, limit=limit_s)
    log.error("job %s failed", job.id, exc_info=error)
    return LipstreamError("internal error; the worker's log has the details")


def _emptied(scratch: Path) -> Path:
    """The folder for this job: what a killed one before it has left is removed."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    return scratch


def _die_with_parent() -> None:
    """A killed worker takes its job along, so that no two processes do the same one."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

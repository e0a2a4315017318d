"""How far a job is, told to Redis now and then; the same look shows whether somebody wants it to end."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any, Final

from rq.job import Job

from common.background.queue import CANCELED
from common.errors import BusError, LipstreamError
from common.redis_client import translated

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5


class CanceledError(LipstreamError):
    """Somebody wants the job to end."""

    code = "canceled"


@dataclass(slots=True)
class Progress:
    """The one to tell about the parts of a job that are done; an outage of Redis is sat out."""

    job: Job
    _told_s: float = field(default=-EVERY_S)

    def __call__(self, done: int, total: int) -> None:
        """So many of so many are done; of calls in quick succession only some are passed on.

        Raises
        ------
        CanceledError
            The job is to end.
        """
        now_s = time.monotonic()
        if now_s - self._told_s < EVERY_S and done < total:
            return
        self._told_s = now_s
        try:
            self.note(done=done, total=total)
            self.check()
        except BusError as error:
            log.warning("job %s goes on untold: %s", self.job.id, error)

    def note(self, **facts: Any) -> None:
        """Write facts of the job down.

        Raises
        ------
        BusError
            Redis does not take them.
        """
        self.job.meta.update(facts)
        with translated():
            self.job.save_meta()  # type: ignore[no-untyped-call]

    def check(self) -> None:
        """Raise `CanceledError` if the job is to end, `BusError` if Redis does not say."""
        with translated():
            if self.job.connection.hexists(self.job.key, CANCELED):
                raise CanceledError("the job was canceled")

    def pause(self, seconds: float) -> None:
        """Wait before another try; raises as `check`."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.check()
            time.sleep(min(EVERY_S, seconds))

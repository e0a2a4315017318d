"""Keeps the tasks in a worker's hands its own while their work runs in a thread: nobody else does them again."""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from redis import exceptions

from common.errors import BusError
from common.jobs import Job
from common.settings import Settings
from common.stage import Delivery, Outcome, Stage
from common.streams import WorkStream

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Hold:
    """The tasks that were read last, and the one thread that works on them.

    Attributes
    ----------
    kept_s : when Redis surely counted them as ours, last. A question's time, not its answer's: who is frozen before the
        answer comes may have lost them again meanwhile.
    """

    stage: Stage
    work: WorkStream
    settings: Settings
    kept_s: float = 0.0
    # One thread, which does one batch at a time: several would each keep what a batch takes.
    _thread: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "stage"))

    async def process(self, jobs: Sequence[tuple[Delivery, Job]]) -> list[list[bytes]]:
        """Run the stage's function in the thread; the process ends if it hangs."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, self.stage.process, [job for _, job in jobs])
        entry_ids = [delivery.entry_id for delivery, _ in jobs]
        begun_s = time.monotonic()
        while True:
            done, _ = await asyncio.wait({work}, timeout=self.settings.reclaim_idle_ms / 3000)
            if done:
                return work.result()
            if time.monotonic() - begun_s > self.settings.work_max_s:
                # A thread cannot be ended, and a process that waits for it would neither work nor fall.
                log.critical("stage %s hangs on %s: this worker ends", self.stage.name, entry_ids)
                os._exit(os.EX_SOFTWARE)
            if not self._was_frozen:
                # To keep now what others may have taken would be to take it from them.
                await self._keep(entry_ids)

    async def still_ours(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """What to publish: what a worker made that was frozen meanwhile is of long ago, unless nobody took it over."""
        if not self._was_frozen:
            return list(outcomes)
        ours = await self.work.ours()
        return [outcome for outcome in outcomes if outcome.delivery.entry_id in ours]

    def end(self) -> None:
        """No more work will come; what the thread does is not waited for."""
        self._thread.shutdown(wait=False)

    @property
    def _was_frozen(self) -> bool:
        """Whether we were away for so long that others may have taken our tasks."""
        return (time.monotonic() - self.kept_s) * 1000 >= self.settings.reclaim_idle_ms

    async def _keep(self, entry_ids: Sequence[bytes]) -> None:
        asked_s = time.monotonic()
        try:
            await self.work.keep(entry_ids)
            self.kept_s = asked_s
        except (BusError, exceptions.ResponseError) as error:
            log.warning("cannot keep %d tasks: %s", len(entry_ids), error)

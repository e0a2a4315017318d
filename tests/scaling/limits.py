"""Processor limits of pods on a machine without containers.

As with a quota of the kernel: a process that has used its share stands still until the next share is due. So a machine
of two cores has room for several small pods whose throughput adds up, as on a cluster.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Final

from tests.scaling.pods import Pod

_LOOK_S: Final = 0.005
_SAVED_S: Final = 0.05
"""Processor time that an idle pod may save up."""


def used_s(pod: Pod) -> float:
    """Processor time of a pod's process so far; Linux (`clock_getcpuclockid(3)`)."""
    return time.clock_gettime((~pod.process.pid) << 3 | 2)


async def limited(pods: Callable[[], Iterable[Pod]], cores: float) -> None:
    """Hold each of the pods, as they come and go, to so many cores, until cancelled. Loading is free."""
    # Until when each is paid up, on the clock of what it has used: pod -> (used when last looked, credit).
    accounts: dict[Pod, tuple[float, float]] = {}
    stopped: set[Pod] = set()
    then_s = time.monotonic()
    try:
        while True:
            await asyncio.sleep(_LOOK_S)
            now_s = time.monotonic()
            passed_s, then_s = now_s - then_s, now_s
            for pod in pods():
                with contextlib.suppress(OSError):
                    used = used_s(pod)
                    before, credit = accounts.get(pod, (used, _SAVED_S))
                    credit = min(_SAVED_S, credit + passed_s * cores - (used - before))
                    accounts[pod] = used, credit
                    if (credit < 0) != (pod in stopped):
                        stopped ^= {pod}
                        os.kill(pod.process.pid, signal.SIGSTOP if credit < 0 else signal.SIGCONT)
    finally:
        for pod in stopped:
            with contextlib.suppress(OSError):
                os.kill(pod.process.pid, signal.SIGCONT)

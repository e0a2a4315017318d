"""Keeps all cores of this machine from falling asleep, without taking anything from anybody.

A core that had nothing to do takes longer for the next thing: its caches are cold, its clock is low, and a virtual
machine must be given it back. What a busy machine needs for a frame can so be measured with little to do.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from common.cores import cores

_SPIN: Final = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
"""Whatever else wants to run, runs instead, at once."""


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Linux alone has the scheduling class that this needs."""
    if not hasattr(os, "SCHED_IDLE"):
        raise SystemExit("only Linux can keep its cores awake without taking them from others")
    spinning = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(round(cores()))]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()

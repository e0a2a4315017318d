"""How much processor this process may use."""

import os
from pathlib import Path
from typing import Final

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processor time in each period, and the period; `max` where there is no limit (cgroup v2)."""


def cores(quota: Path = _QUOTA) -> float:
    """Cores that the scheduler lets this process use, or the container's share of them where that is less."""
    present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed_us, period_us = quota.read_text().split()
        return min(present, int(allowed_us) / int(period_us))
    except (OSError, ValueError):
        return present

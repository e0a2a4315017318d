"""How much processor a process may use."""

import os
from pathlib import Path

from common.cores import cores


def test_a_container_s_quota_counts_where_it_is_less(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")
    assert cores(quota) == 0.5


def test_without_a_quota_all_cores_count(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("max 100000\n")
    present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert cores(quota) == cores(tmp_path / "absent") == present


def test_a_quota_above_the_machine_s_cores_adds_none(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("99999900000 100000\n")
    assert cores(quota) == cores(tmp_path / "absent")

"""The supervisor over small real processes: logs, restarts, and no orphan."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from cli.supervisor import Child, Policy, Supervisor
from common.errors import LipstreamError

# So that what is asked to end may do so, however slow the machine is; only who is stubborn is not given so long.
QUICK = Policy(restart_min_s=0.02, restart_max_s=0.1, healthy_after_s=0.2, quick_exits_max=4, grace_s=30)
NEVER_HEALTHY = replace(QUICK, healthy_after_s=600)
STERN = replace(QUICK, grace_s=0.5)


def python(name: str, code: str, **environment: str) -> Child:
    return Child(name, [sys.executable, "-u", "-c", code], environment)


class Lines(list[tuple[str, str]]):
    """A log that can be waited for."""

    def log(self, name: str, line: str) -> None:
        self.append((name, line))

    async def until(self, name: str, line: str, times: int = 1) -> None:
        async with asyncio.timeout(60):
            while self.count((name, line)) < times:  # noqa: ASYNC110  the log is a plain function
                await asyncio.sleep(0.01)

    def pids(self, name: str) -> list[int]:
        return [int(line.removeprefix("pid ")) for found, line in self if found == name and line.startswith("pid ")]


SLEEP = "import os, time; print('pid', os.getpid()); print('up'); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    """Whether a process that is nobody's child here disappears; whoever inherits it may take a moment to notice."""
    for _ in range(3_000):
        if not alive(pid):
            return True
        time.sleep(0.01)
    return False


async def test_lines_of_both_outputs_come_with_the_name_of_their_process() -> None:
    lines = Lines()
    async with Supervisor(lines.log, QUICK) as supervisor:
        supervisor.start(
            python("a", "import sys, time; print('out'); print('err', file=sys.stderr); time.sleep(600)"),
            python("b", "import os, time; print(os.environ['WORD'], end='\\r\\nno end'); time.sleep(600)", WORD="hi"),
        )
        for expected in (("a", "out"), ("a", "err"), ("b", "hi")):
            await lines.until(*expected)
    assert ("b", "no end") in lines


async def test_a_line_without_end_is_passed_on_in_pieces() -> None:
    lines = Lines()
    async with Supervisor(lines.log, QUICK) as supervisor:
        supervisor.start(python("a", "import time; print('x' * 300_000); print('done'); time.sleep(600)"))
        await lines.until("a", "done")
    assert sum(len(line) for _, line in lines if set(line) == {"x"}) == 300_000


async def test_a_child_that_falls_is_started_again() -> None:
    lines = Lines()
    async with Supervisor(lines.log, QUICK) as supervisor:
        supervisor.start(python("a", SLEEP))
        await lines.until("a", "up")
        await asyncio.sleep(QUICK.healthy_after_s)
        os.kill(lines.pids("a")[0], signal.SIGKILL)
        await lines.until("a", "up", times=2)
    assert ("a", "ended with signal 9 (Killed); starting it again in 0.02 s") in lines
    assert len(set(lines.pids("a"))) == 2


async def test_restarts_wait_longer_each_time_and_end_with_an_error() -> None:
    lines = Lines()
    async with Supervisor(lines.log, NEVER_HEALTHY) as supervisor:
        supervisor.start(python("a", "raise SystemExit(3)"), python("b", SLEEP))
        with pytest.raises(LipstreamError, match="a ended 4 times in a row, last with exit code 3"):
            await asyncio.wait_for(supervisor.until_failure(), 60)
    pauses = [line.rpartition(" in ")[2] for name, line in lines if name == "a"]
    assert pauses == ["0.02 s", "0.04 s", "0.08 s"]


async def test_a_child_that_is_killed_ever_so_often_does_not_end_the_whole() -> None:
    lines = Lines()
    times = NEVER_HEALTHY.quick_exits_max + 2
    async with Supervisor(lines.log, NEVER_HEALTHY) as supervisor:
        supervisor.start(python("a", "import os, signal; print('up'); os.kill(os.getpid(), signal.SIGKILL)"))
        await lines.until("a", "up", times=times)
    pauses = [line.rpartition(" in ")[2] for name, line in lines if name == "a" and " in " in line]
    assert pauses[:4] == ["0.02 s", "0.04 s", "0.08 s", "0.1 s"]


async def test_the_process_of_a_child_is_known_while_it_runs() -> None:
    lines = Lines()
    async with Supervisor(lines.log, QUICK) as supervisor:
        supervisor.start(python("a", SLEEP))
        await lines.until("a", "up")
        assert supervisor.process_ids == {"a": lines.pids("a")[0]}
    assert supervisor.process_ids == {}


async def test_a_program_that_is_not_there_is_named() -> None:
    async with Supervisor(Lines().log, QUICK) as supervisor:
        supervisor.start(Child("a", ["/nowhere/program"]))
        with pytest.raises(LipstreamError, match=r"cannot start a \(/nowhere/program\): No such file"):
            await asyncio.wait_for(supervisor.until_failure(), 60)


async def test_leaving_stops_every_child_even_one_that_ignores_sigterm() -> None:
    lines = Lines()
    async with Supervisor(lines.log, STERN) as supervisor:
        supervisor.start(python("a", SLEEP), python("b", STUBBORN))
        await lines.until("a", "up")
        await lines.until("b", "up")
        pids = lines.pids("a") + lines.pids("b")
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


async def test_what_a_child_has_started_goes_with_it() -> None:
    lines = Lines()
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-u', '-c', {SLEEP!r}])"
    async with Supervisor(lines.log, STERN) as supervisor:
        supervisor.start(python("a", nested))
        await lines.until("a", "up")
        [pid] = lines.pids("a")
    assert gone(pid)


async def test_groups_are_stopped_in_the_reverse_order_of_their_start() -> None:
    lines = Lines()
    code = (
        "import signal, time\n"
        "def leave(*_):\n    time.sleep(0.1); print('left'); raise SystemExit\n"
        "signal.signal(signal.SIGTERM, leave); print('up'); time.sleep(600)"
    )
    async with Supervisor(lines.log, QUICK) as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(python(name, code))
        for name in ("first", "second", "third"):
            await lines.until(name, "up")
    assert [name for name, line in lines if line == "left"] == ["third", "second", "first"]


async def test_a_child_that_waits_for_its_restart_is_not_started_after_leaving() -> None:
    lines = Lines()
    slow = Policy(restart_min_s=30, restart_max_s=30)
    async with Supervisor(lines.log, slow) as supervisor:
        supervisor.start(python("a", "print('up')"))
        await lines.until("a", "ended with exit code 0; starting it again in 30 s")
    assert lines.count(("a", "up")) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_children_end_when_the_supervisor_is_killed_outright() -> None:
    program = f"""
import asyncio, sys
from cli.supervisor import Child, Supervisor
async def main():
    async with Supervisor(lambda name, line: print(line, flush=True)) as supervisor:
        supervisor.start(Child("a", [sys.executable, "-u", "-c", {SLEEP!r}]))
        await asyncio.sleep(600)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().removeprefix("pid "))
        parent.kill()
    assert gone(pid)

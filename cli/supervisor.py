"""Runs processes side by side: prefixes their logs, restarts those that fall, and leaves none behind."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

from common.errors import LipstreamError

_LINE_MAX_BYTES: Final = 65_536
_PR_SET_PDEATHSIG: Final = 1

Log = Callable[[str, str], None]
"""Takes the name of the process and one line."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """How long to wait for what."""

    restart_min_s: float = 0.5
    restart_max_s: float = 10.0
    healthy_after_s: float = 10.0
    """A child that ran so long has the right to a quick restart again."""
    quick_exits_max: int = 5
    """So many exits in a row before `healthy_after_s`, and the whole is given up. Death by a signal (a crash, a kill,
    memory run out) only waits longer each time: one poisonous task must not end the whole."""
    grace_s: float = 10.0
    """From SIGTERM to SIGKILL."""


class Supervisor:
    """Keeps children running until it is left.

    An asynchronous context manager: on leaving, the children get SIGTERM, last started first, and SIGKILL after the
    grace. Each has a process group of its own, so that Ctrl-C reaches the supervisor alone and the order is kept.
    """

    def __init__(self, log: Log, policy: Policy | None = None) -> None:
        self.process_ids: dict[str, int] = {}
        """Of the children that run now, by name."""
        self._log = log
        self._policy = policy or Policy()
        self._groups: list[list[asyncio.Task[None]]] = []
        self._failed = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._groups:
            group = self._groups.pop()
            for keeper in group:
                keeper.cancel()
            await asyncio.gather(*group, return_exceptions=True)

    def start(self, *children: Child) -> None:
        """Start a group: its members are stopped together, and before every group that was started earlier."""
        group = [asyncio.create_task(self._keep(child), name=child.name) for child in children]
        for keeper in group:
            keeper.add_done_callback(lambda _: self._failed.set())
        self._groups.append(group)

    async def until_failure(self) -> None:
        """Wait; children that fall are started again meanwhile.

        Raises
        ------
        LipstreamError
            A child cannot be started, or ended too often in a row.
        """
        await self._failed.wait()
        for keeper in (keeper for group in self._groups for keeper in group if keeper.done()):
            keeper.result()

    async def _keep(self, child: Child) -> None:
        falls = quick_exits = 0
        while True:
            started_s = time.monotonic()
            code = await self._run_once(child)
            if time.monotonic() - started_s >= self._policy.healthy_after_s:
                falls = quick_exits = 0
            else:
                falls, quick_exits = falls + 1, 0 if code < 0 else quick_exits + 1
            if quick_exits >= self._policy.quick_exits_max:
                raise LipstreamError(f"{child.name} ended {quick_exits} times in a row, last with {_in_words(code)}")
            pause_s = min(self._policy.restart_max_s, self._policy.restart_min_s * 2 ** min(16, max(0, falls - 1)))
            self._log(child.name, f"ended with {_in_words(code)}; starting it again in {pause_s:g} s")
            await asyncio.sleep(pause_s)

    async def _run_once(self, child: Child) -> int:
        """The exit code; cancelled, it ends the process first."""
        try:
            process = await asyncio.create_subprocess_exec(
                *child.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **child.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            raise LipstreamError(f"cannot start {child.name} ({child.command[0]}): {error.strerror}") from error
        self.process_ids[child.name] = process.pid
        relay = asyncio.create_task(self._relay(child.name, process))
        try:
            return await process.wait()
        finally:
            del self.process_ids[child.name]
            await self._end(process)
            await asyncio.wait({relay}, timeout=1)
            relay.cancel()

    async def _relay(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in _lines(process.stdout):
            self._log(name, line)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._policy.grace_s)
        # What the child itself started goes with it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of a process' output; one that is too long comes in pieces."""
    held = b""
    while block := await stream.read(_LINE_MAX_BYTES):
        *whole, held = (held + block).split(b"\n")
        if len(held) >= _LINE_MAX_BYTES:
            whole, held = [*whole, held], b""
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
    if held:
        yield held.decode(errors="replace")


def _die_with_parent() -> None:
    """In the child, before it becomes its program: SIGTERM when the supervisor is killed without a chance to say so."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"

"""A whole Lipstream of real processes that faults are done to: Redis, workers of every stage, gateways."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from cli.embedded_redis import prepared
from cli.supervisor import Child, Policy, Supervisor
from cli.up import STAGES, environment_of, missing_parts
from common import keys
from common.redis_client import connect
from common.settings import Settings
from tests.pipeline import free_port

JUMP_S: Final = 3_600
_WITH_A_CLOCK_THAT_JUMPS: Final = f"""
import signal, time

real, ahead_s = time.time, [0]
time.time = lambda: real() + sum(ahead_s)
signal.signal(signal.SIGUSR1, lambda *_: ahead_s.append({JUMP_S}))
signal.signal(signal.SIGUSR2, lambda *_: ahead_s.append(-{JUMP_S}))

from cli.main import main

main()
"""
"""The `lipstream` command in a process whose wall clock jumps an hour ahead at SIGUSR1 and back at SIGUSR2."""
_LIPSTREAM: Final = [sys.executable, "-P", "-u", "-c", _WITH_A_CLOCK_THAT_JUMPS]
_POLICY: Final = Policy(restart_max_s=0.5)
_START_TIMEOUT_S: Final = 120.0
_POLL_S: Final = 0.05
_DURABLE: Final = ("--appendonly", "yes", "--appendfsync", "always")
"""Redis with these comes back with everything that it had acknowledged."""
_PATIENT: Final = {"skip_after_ms": 5_000, "frame_deadline_ms": 10_000}
"""Its return takes a second: as long as a live frame may wait to be worked on."""


@dataclass(slots=True)
class World:
    """The processes, by name: `redis`, `gateway-1`, `audio-1`, `audio-2`, `inference-1`, ..."""

    settings: Settings
    supervisor: Supervisor
    redis: Redis
    ports: Mapping[str, int]
    log: list[str] = field(default_factory=list)

    @property
    def urls(self) -> list[str]:
        """WebSocket addresses of the gateways."""
        return [f"ws://127.0.0.1:{port}/ws" for port in self.ports.values()]

    @property
    def process_ids(self) -> Mapping[str, int]:
        return self.supervisor.process_ids

    async def answers(self) -> bool:
        """Whether Redis does."""
        try:
            return bool(await self.redis.ping())
        except RedisError:
            return False

    def processes(self, part: str) -> list[str]:
        """Names of the processes that run now of a stage, of `gateway` or of `redis`."""
        return sorted(name for name in self.process_ids if name.partition("-")[0] == part)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a process a signal."""
        os.kill(self.process_ids[name], number)

    async def until_whole(self, workers: Mapping[str, int]) -> None:
        """Wait until every gateway is ready and so many workers of each stage have joined their group."""
        give_up_s = time.monotonic() + _START_TIMEOUT_S
        while not await self._is_whole(workers):
            if time.monotonic() > give_up_s:
                raise TimeoutError("the world is not whole:\n" + "\n".join(self.log[-40:]))
            await asyncio.sleep(_POLL_S)

    async def _is_whole(self, workers: Mapping[str, int]) -> bool:
        if not await self.answers():
            return False
        for stage, count in workers.items():
            if len(await self._at_work(stage)) < count:
                return False
        missing = [await asyncio.to_thread(missing_parts, "127.0.0.1", port) for port in self.ports.values()]
        return not any(missing)

    async def _at_work(self, stage: str) -> set[int]:
        """Process ids of the stage's workers that beat and run."""
        ours = {self.process_ids[name] for name in self.processes(stage)}
        beating = [
            int(await self.redis.hget(key, "pid") or 0) async for key in self.redis.scan_iter(keys.worker(stage, "*"))
        ]
        return ours & set(beating)


@asynccontextmanager
async def world(
    workers: Mapping[str, int], gateways: int = 1, *, durable: bool = False, **changes: Any
) -> AsyncIterator[World]:
    """Everything started and ready; all of it is gone afterwards. A durable Redis may be killed, too."""
    lines: list[str] = []
    ports = {f"gateway-{number}": free_port() for number in range(1, gateways + 1)}
    with prepared() as server:
        # Sessions are to be where they are wanted: what admission does is tested elsewhere.
        manner = {"admit_by_load": False} | (_PATIENT if durable else {})
        settings = Settings(redis_url=server.url, **manner | changes)
        redis = connect(server.url)
        async with Supervisor(lambda name, line: lines.append(f"{name} | {line}"), _POLICY) as supervisor:
            supervisor.start(Child("redis", [*server.command, *(_DURABLE if durable else ())]))
            supervisor.start(*children_of(settings, workers, ports))
            made = World(settings, supervisor, redis, ports, lines)
            try:
                await made.until_whole(workers)
                yield made
            finally:
                await redis.aclose()


def children_of(settings: Settings, workers: Mapping[str, int], ports: Mapping[str, int]) -> list[Child]:
    """The gateways at their ports and so many workers of each stage."""
    gateways = [
        Child(name, [*_LIPSTREAM, "gateway"], environment_of(settings.model_copy(update={"port": port})))
        for name, port in ports.items()
    ]
    return gateways + [
        Child(f"{stage}-{number}", [*_LIPSTREAM, "worker", stage], environment_of(settings))
        for stage in STAGES
        for number in range(1, workers[stage] + 1)
    ]

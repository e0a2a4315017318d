"""Faults as data: what is done to which process, and the poison that is put into the streams."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from redis.asyncio import Redis

from common import keys
from common.contracts import Task
from tests.chaos.world import World

Kind = Literal["kill", "freeze", "drain", "jump", "poison"]
KINDS: Final[tuple[Kind, ...]] = ("kill", "freeze", "drain", "jump", "poison")
FREEZE_S: Final = 2.0
_FOR_STAGES: Final[frozenset[Kind]] = frozenset(KINDS)
POSSIBLE: Final[Mapping[str, frozenset[Kind]]] = {
    "audio": _FOR_STAGES,
    "inference": _FOR_STAGES,
    "compositor": _FOR_STAGES,
    "gateway": frozenset({"kill", "drain", "jump"}),
    "redis": frozenset({"kill"}),
}
"""What can be done to a part without a frame being lost."""
PARTS: Final = tuple(POSSIBLE)


class Fault(NamedTuple):
    """`kind` done to one of the processes of `part`: a stage, `gateway` or `redis`."""

    kind: Kind
    part: str

    def __str__(self) -> str:
        return f"{self.kind} {self.part}"


class Done(NamedTuple):
    """A fault that was done to a process, at a time of the monotonic clock."""

    fault: Fault
    target: str
    at_s: float


def plan(rng: random.Random, kinds: Sequence[Kind], parts: Sequence[str], count: int) -> list[Fault]:
    """So many faults: in rounds, each of every kind for every part where it is possible, in random order.

    Raises
    ------
    ValueError
        No kind is possible for any part.
    """
    every = [Fault(kind, part) for part in parts for kind in kinds if kind in POSSIBLE[part]]
    if not every:
        raise ValueError(f"none of {', '.join(kinds)} can be done to {', '.join(parts)} without losing a frame")
    rounds = -(-count // len(every))
    return [fault for _ in range(rounds) for fault in rng.sample(every, len(every))][:count]


async def do(world: World, fault: Fault, rng: random.Random, session: str, avatar: str) -> Done:
    """Do a fault to a process of its part, chosen at random; poison is addressed to the session."""
    target, at_s = rng.choice(world.processes(fault.part)), time.monotonic()
    match fault.kind:
        case "kill":
            world.signal(target, signal.SIGKILL)
        case "drain":
            world.signal(target, signal.SIGTERM)
        case "freeze":
            world.signal(target, signal.SIGSTOP)
            await asyncio.sleep(FREEZE_S)
            world.signal(target, signal.SIGCONT)
        case "jump":
            world.signal(target, rng.choice((signal.SIGUSR1, signal.SIGUSR2)))
        case "poison":
            await put_poison(world.redis, fault.part, session, avatar)
    return Done(fault, target, at_s)


async def put_poison(redis: Redis, stage: str, session: str, avatar: str) -> None:
    """Every poison of a stage into its stream; each asks for frame 0 of the session's epoch 0 once more."""
    stream = keys.stage(stage, "default" if stage == "inference" else None)
    for poison in POISONS[stage]:
        fields: Any = poison(session, avatar)
        await redis.xadd(stream, fields)


def letters_of(faults: Sequence[Fault]) -> Mapping[str, int]:
    """How many dead letters each stage must have after the faults."""
    return Counter(f.part for f in faults if f.kind == "poison" for _ in POISONS[f.part])


def _task(session: str, avatar: str, **changes: Any) -> dict[str, Any]:
    now_ms = time.time() * 1000
    task = Task(
        session=session, gateway="nowhere", avatar=avatar, epoch=0, base=0, first=0, count=1, samples=-1, template=0,
        quality=85, ingest_ms=now_ms, deadline_ms=now_ms + 60_000, sent_ms=now_ms,
    )  # fmt: skip
    return {**task.to_fields(), **changes}


def _unreadable(session: str, avatar: str) -> dict[str, Any]:
    return {"session": session, "mood": b"\xff\xfe"}


def _another_version(session: str, avatar: str) -> dict[str, Any]:
    return _task(session, avatar, v="2", mood="good")


def _another_avatar(session: str, avatar: str) -> dict[str, Any]:
    return _task(session, "deleted")


def _truncated(session: str, avatar: str) -> dict[str, Any]:
    return _task(session, avatar, payload=b"\x00" * 10)


def _not_a_number(session: str, avatar: str) -> dict[str, Any]:
    return _task(session, avatar, payload=np.full(64 * 80, np.nan, np.float32).tobytes())


POISONS: Final[Mapping[str, Sequence[Callable[[str, str], dict[str, Any]]]]] = {
    "audio": (_unreadable, _another_version, _another_avatar),
    "inference": (_unreadable, _another_version, _another_avatar, _truncated, _not_a_number),
    "compositor": (_unreadable, _another_version, _another_avatar, _truncated),
}

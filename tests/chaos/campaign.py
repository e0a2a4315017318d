"""Sessions that speak without a pause while faults are done, and what the sessions and Redis say afterwards."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from common import keys
from lipstream_client import LipstreamClientError
from tests.chaos.faults import Done, Fault, do, letters_of
from tests.chaos.talk import Manner, Recording, Speech, talk
from tests.chaos.verdict import FELT_S, Verdict, judge, worst_stall_ms
from tests.chaos.world import World
from tests.pipeline import NO_EXPIRY

_CALM_S: Final = 2.0
_GONE_WITHIN_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.2
_TRY_AGAIN_S: Final = 0.1
_NOT_LONG_S: Final = 6.0
_LASTING: Final = ("stage:", "dead:", "alive", "secret:")
"""Keys that are to stay without an expiry."""


class Stall(NamedTuple):
    """How long the session that felt a fault most waited longer for a frame than before; None: nobody was speaking."""

    fault: str
    stall_ms: float | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What a campaign brought to light."""

    verdict: Verdict
    sessions: int
    errors: list[str]
    stalls: list[Stall]
    letters: Mapping[str, int]
    letters_expected: Mapping[str, int]
    left_over: list[str]
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether no frame was lost, doubled, out of order or changed, and Redis holds nothing that it should not."""
        return (
            self.verdict.is_clean and not self.errors and not self.left_over and self.letters == self.letters_expected
        )


async def references(world: World, speeches: Sequence[Speech], manner: Manner) -> list[Recording]:
    """The undisturbed frames of each speech."""
    found: list[Recording] = []
    for number, speech in enumerate(speeches):
        await talk(world.urls, number, speech, manner._replace(pace="lossless"), found)
    return found


async def campaign(
    world: World,
    workers: Mapping[str, int],
    faults: Sequence[Fault],
    speeches: Sequence[Speech],
    manner: Manner,
    rng: random.Random,
) -> Findings:
    """Do the faults one after another, each when the world is whole again, while every speech is said over and over."""
    undisturbed = await references(world, speeches, manner)
    began_s, errors, over = time.monotonic(), list[str](), asyncio.Event()
    heard: list[list[Recording]] = [[] for _ in speeches]
    talkers = [
        asyncio.create_task(_keep_talking(world, number, speech, manner, heard[number], errors, over))
        for number, speech in enumerate(speeches)
    ]
    done = []
    while not all(heard):  # noqa: ASYNC110
        await asyncio.sleep(_TRY_AGAIN_S)
    await asyncio.sleep(_CALM_S)
    for fault in faults:
        await world.until_whole(workers)
        await asyncio.sleep(rng.uniform(0.2, 1.2))
        done.append(await do(world, fault, rng, await _speaking(heard), manner.avatar))
        await asyncio.sleep(FELT_S)
    over.set()
    await asyncio.gather(*talkers)
    await world.until_whole(workers)
    recordings = [recording for each in heard for recording in each]
    return Findings(
        verdict=judge(recordings, undisturbed),
        sessions=len(recordings),
        errors=errors,
        stalls=[_stall(each, recordings) for each in done],
        letters=await _letters(world.redis),
        letters_expected=letters_of(faults),
        left_over=await left_over(world.redis, _GONE_WITHIN_S),
        seconds=time.monotonic() - began_s,
    )


async def _keep_talking(
    world: World,
    number: int,
    speech: Speech,
    manner: Manner,
    recordings: list[Recording],
    errors: list[str],
    over: asyncio.Event,
) -> None:
    """One session after another, begun apart from those of the others, at a gateway that lets it begin."""
    await asyncio.sleep(number * 0.73)
    urls = deque(world.urls)
    while not over.is_set():
        urls.rotate(1)
        begun = len(recordings)
        try:
            await talk(list(urls), number, speech, manner, recordings)
        except* (LipstreamClientError, OSError) as group:
            # Who is refused at the door, or finds nobody there, asks next door; who had begun must not be let down.
            if len(recordings) > begun:
                errors.extend(str(error) for error in group.exceptions)
            await asyncio.sleep(_TRY_AGAIN_S)


async def _speaking(heard: Sequence[Sequence[Recording]]) -> str:
    """A session that speaks and has begun not long ago: it feels a fault, and is there when its poison is read."""
    while True:
        newest = max((recording for each in heard for recording in each), key=lambda recording: recording.started_s)
        if newest.seen and not newest.ended and time.monotonic() - newest.started_s < _NOT_LONG_S:
            return newest.session
        await asyncio.sleep(_TRY_AGAIN_S)


def _stall(done: Done, recordings: Sequence[Recording]) -> Stall:
    return Stall(str(done.fault), worst_stall_ms(recordings, done.at_s))


async def _letters(redis: Redis) -> dict[str, int]:
    return {key.decode().removeprefix("dead:"): await redis.xlen(key) async for key in redis.scan_iter(keys.dead("*"))}


async def left_over(redis: Redis, within_s: float) -> list[str]:
    """What is not gone so long after everybody has: entries of work streams, and keys that would stay for ever."""
    found: list[str] = []
    for _ in range(int(within_s / _LOOK_EVERY_S)):
        if not (found := await _too_much(redis)):
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    return found


async def _too_much(redis: Redis) -> list[str]:
    found = []
    async for key in redis.scan_iter("*"):
        name = key.decode()
        if name.startswith("stage:"):
            pending: Any = await redis.xpending(key, keys.GROUP)
            if (length := await redis.xlen(key)) or pending["pending"]:
                found.append(f"{name}: {length} entries, {pending['pending']} pending")
        elif not name.startswith(_LASTING) and await redis.ttl(key) == NO_EXPIRY:
            found.append(f"{name}: no expiry")
    return found

"""A process fails for which no other of its kind stands in: what its session sees, and that it goes on afterwards.

Campaigns leave these faults out, since they may cost frames.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

import pytest
import pytest_asyncio

from cli.up import STAGES
from lipstream_client import Frame, Resumed, connect
from tests.chaos.avatars import settings_of
from tests.chaos.talk import FRAME_S, Seen, chunks, seen, speeches
from tests.chaos.world import World, world
from tests.pipeline import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TALK_S: Final = 90.0
BACK_S: Final = 60.0
"""By then speech goes on, on however slow a machine; one that is idle needs three seconds."""
FREEZE_S: Final = 3.0
"""Longer than a live frame is waited for."""
FIRST_FRAMES: Final = 15


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One worker of each stage, two gateways."""
    settings = settings_of("tiny", tmp_path_factory.mktemp("alone"))
    async with world(dict.fromkeys(STAGES, 1), gateways=2, **settings) as made:
        yield made


@dataclass(slots=True)
class Talker:
    """A session that speaks on the clock until it is `enough`."""

    pace: Literal["live", "lossless"] = "live"
    started_s: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    resumed: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def talk(self, urls: list[str]) -> None:
        (speech,) = speeches(1, TALK_S)
        async with (
            connect(urls, avatar="tiny", sample_rate=speech.rate_hz, pace=self.pace) as session,
            asyncio.TaskGroup() as tasks,
        ):
            self.started_s = time.monotonic()

            async def send() -> None:
                async for chunk in chunks(speech, self.started_s):
                    if self.enough.is_set():
                        break
                    await session.send_audio(chunk)
                await session.end()

            tasks.create_task(send())
            async for item in session:
                self.resumed += isinstance(item, Resumed)
                if isinstance(item, Frame):
                    self.seen.append(seen(item))
        assert session.ended is not None

    def speaks_of_what_came_after(self, at_s: float) -> bool:
        """Whether a frame has come, not concealed, of audio that was said after `at_s`."""
        return any(self.started_s + each.frame * FRAME_S > at_s and not each.concealed for each in self.seen)


@asynccontextmanager
async def talking(urls: list[str], pace: Literal["live", "lossless"] = "live") -> AsyncIterator[Talker]:
    """Speaks meanwhile; afterwards every frame has come once and in order, be some of them concealed."""
    talker = Talker(pace)
    task = asyncio.create_task(talker.talk(urls))
    try:
        await until(lambda: task.done() or len(talker.seen) >= FIRST_FRAMES, BACK_S)
        yield talker
    finally:
        talker.enough.set()
        await task
    assert [each.frame for each in talker.seen] == list(range(len(talker.seen)))


async def outlived(talker: Talker, fail: Callable[[], None]) -> None:
    """Do a fault, and wait until the session speaks of what came after it."""
    failed_s = time.monotonic()
    fail()
    await until(lambda: talker.speaks_of_what_came_after(failed_s), BACK_S)


@pytest.mark.parametrize("stage", STAGES)
async def test_speech_goes_on_when_the_only_worker_of_a_stage_was_killed_and_is_started_again(
    alone: World, stage: str
) -> None:
    before = alone.process_ids[f"{stage}-1"]
    async with talking(alone.urls) as talker:
        await outlived(talker, lambda: alone.signal(f"{stage}-1", signal.SIGKILL))
        assert alone.process_ids[f"{stage}-1"] != before
    assert talker.resumed == 0


async def test_a_gateway_that_is_told_to_end_sends_its_sessions_to_another(alone: World) -> None:
    before = alone.process_ids["gateway-1"]
    async with talking(alone.urls) as talker:
        await outlived(talker, lambda: alone.signal("gateway-1", signal.SIGTERM))
        assert talker.resumed == 1
    await until(lambda: alone.process_ids.get("gateway-1", before) != before, BACK_S)
    await alone.until_whole(dict.fromkeys(STAGES, 1))


async def test_a_gateway_that_was_frozen_goes_on_with_its_session_and_the_other_never_noticed(alone: World) -> None:
    def freeze() -> None:
        alone.signal("gateway-1", signal.SIGSTOP)
        asyncio.get_running_loop().call_later(FREEZE_S, alone.signal, "gateway-1", signal.SIGCONT)

    async with talking(alone.urls) as talker, talking(alone.urls[::-1], "lossless") as neighbour:
        frozen_s = time.monotonic()
        await outlived(talker, freeze)
    assert (talker.resumed, neighbour.resumed) == (0, 0)
    assert frames_within(talker, frozen_s + FREEZE_S / 2, frozen_s + FREEZE_S) == 0
    assert frames_within(neighbour, frozen_s + FREEZE_S / 2, frozen_s + FREEZE_S) > 0
    assert not any(each.concealed for each in neighbour.seen)


def frames_within(talker: Talker, start_s: float, stop_s: float) -> int:
    return sum(start_s <= each.at_s < stop_s for each in talker.seen)

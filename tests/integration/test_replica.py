"""A replica takes over: what had not reached it is gone, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from common.avatars.package import Avatar
from tests.integration.proxy import Proxy, proxy_to
from tests.integration.redis_servers import Server, started, written_bytes
from tests.integration.talking import concealed, heard
from tests.pipeline import running, until, until_it_speaks, what_stays
from tests.speech import RATE_HZ, offline, speechlike, stream

CLIP = speechlike(RATE_HZ * 3)
BEHIND_S = 0.3
DEADLINE_MS = 4_000
"""Of sessions that want every frame: long enough for other load on the machine, and what is lost is given up soon."""
LOST_FRAMES = 40
"""At most: those said while the replica was behind, those under way then, and those whose window reaches back to it."""
RECOVERED_S = 60.0


class Pair(NamedTuple):
    """A master and a replica that follows it over the `link`; clients reach the one that is master by the `door`."""

    master: Server
    replica: Server
    link: Proxy
    door: Proxy

    @property
    def behind_bytes(self) -> int:
        """What the master has written and the replica has not got."""
        return written_bytes(self.master) - written_bytes(self.replica)

    async def take_over(self) -> None:
        """The master dies, and what is on the way to the replica with it."""
        self.master.kill()
        self.link.flow()
        await asyncio.gather(self.link.cut(), self.door.cut())
        self.replica.ask("REPLICAOF", "NO", "ONE")
        self.door.server_port = self.replica.port
        await self.door.open()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    with started(tmp_path) as master, started(tmp_path) as replica:
        async with proxy_to(master.port) as link, proxy_to(master.port) as door:
            replica.ask("REPLICAOF", "127.0.0.1", link.port)
            await until(lambda: replica.ask("INFO", "replication").get("master_link_status") == "up")
            yield Pair(master, replica, link, door)


async def test_a_replica_that_has_got_everything_takes_over_and_no_frame_is_lost(
    pair: Pair, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    async with running(pair.door.url, avatars_folder, count=2) as pipeline, asyncio.timeout(RECOVERED_S):
        talking = [asyncio.create_task(stream(pipeline, "tiny", CLIP, pause_s=0.03)) for _ in range(2)]
        await until_it_speaks(pipeline, 50)
        # Nobody's writes are answered from here on: nothing is written that the replica could lack.
        pair.master.ask("CLIENT", "PAUSE", 60_000, "WRITE")
        await until(lambda: pair.behind_bytes == 0)
        await pair.take_over()
        assert await asyncio.gather(*talking) == [offline(tiny_avatar, CLIP, RATE_HZ)] * 2
        assert await what_stays(pipeline.redis) == []


async def test_what_a_replica_had_not_got_is_concealed_and_every_other_frame_comes(
    pair: Pair, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    right = offline(tiny_avatar, CLIP, RATE_HZ)
    async with (
        running(pair.door.url, avatars_folder, lossless_deadline_ms=DEADLINE_MS) as pipeline,
        asyncio.timeout(RECOVERED_S),
    ):
        talking = [asyncio.create_task(heard(pipeline.url, CLIP)) for _ in range(2)]
        await until_it_speaks(pipeline, 50)
        pair.link.stall()
        await asyncio.sleep(BEHIND_S)
        assert pair.behind_bytes > 0
        await pair.take_over()
        for _, frames in await asyncio.gather(*talking):
            lost = concealed(frames)
            assert [frame.frame for frame in frames] == list(range(len(right)))
            assert all(frame.picture == right[frame.frame] for frame in frames if frame.frame not in lost)
            assert 0 < len(lost) <= LOST_FRAMES

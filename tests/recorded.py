"""A session with everything that may happen in one, for tests and benches of recordings."""

import asyncio
from pathlib import Path

from common.recording.recording import Recording, read
from common.recording.store import store_at
from lipstream_client import Frame, Session, connect
from tests.pipeline import until
from tests.speech import RATE_HZ, speechlike

CHUNK_MS = 40


async def speak(session: Session, pcm: bytes, *, burst: bool = False) -> None:
    """On the clock as a microphone does, or at once as a speech service does."""
    step = RATE_HZ * CHUNK_MS // 1000 * 2
    for start in range(0, len(pcm), step):
        await session.send_audio(pcm[start : start + step])
        await asyncio.sleep(0 if burst else CHUNK_MS / 1000)


async def converse(session: Session, rounds: int, avatars: tuple[str, str]) -> None:
    """Utterances that end by a flush, by a pause and by a switch, and some that are cut, with audio still waiting."""
    for turn in range(rounds):
        await session.begin(7 * turn)
        await speak(session, speechlike(int(1.2 * RATE_HZ), 5 * turn))
        await session.flush()
        await speak(session, speechlike(int(1.0 * RATE_HZ), 5 * turn + 1))
        await asyncio.sleep(0.9)
        await speak(session, speechlike(int(1.5 * RATE_HZ), 5 * turn + 2), burst=True)
        await asyncio.sleep(0.7)
        await session.clear()
        await speak(session, speechlike(int(0.8 * RATE_HZ), 5 * turn + 3))
        await session.clear(shown=25 * turn + 3)
        await session.switch(avatars[turn % 2])
        await speak(session, speechlike(int(0.5 * RATE_HZ), 5 * turn + 4), burst=True)
    await session.end()


async def record(
    url: str, folder: Path, rounds: int, avatars: tuple[str, str] = ("reference", "tiny")
) -> tuple[Recording, list[Frame]]:
    """Have such a session with a gateway that records in `folder`; what it recorded, and what came."""
    async with connect(url, avatar=avatars[1], sample_rate=RATE_HZ, pace="live", record=True) as session:
        assert session.started.recording
        talking = asyncio.create_task(converse(session, rounds, avatars))
        frames = [frame async for frame in session.frames()]
        await talking
    return await recording_of(folder, session.started.session), frames


async def recording_of(folder: Path, session: str) -> Recording:
    """What was recorded of a session that has just ended."""
    store = store_at(str(folder))

    def is_done() -> bool:
        return bool(store.entries()) and read(store.contents(session)).footer is not None

    await until(is_done)
    return read(store.contents(session))

"""Visitors of all manners: who hears a speech to its end, who interrupts it, who leaves, and who vanishes."""

import asyncio
import random
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from lipstream_client import LipstreamClientError, Session, connect
from tests.chaos.talk import Manner, Recording, Speech, chunks, seen, talk

Kind = Literal["speak", "interrupt", "leave", "vanish"]
KINDS: Final[tuple[Kind, ...]] = ("speak", "interrupt", "leave", "vanish")


@dataclass(slots=True)
class Visitor:
    """Comes again and again; keeps what it heard of the speeches that it heard to the end."""

    url: str
    speech: Speech
    manner: Manner
    rng: random.Random
    spoken: list[Recording] = field(default_factory=list)
    visits: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(KINDS, 0)))
    errors: list[str] = field(default_factory=list)

    async def come_and_go(self, over: asyncio.Event) -> None:
        """Until it is over."""
        while not over.is_set():
            kind = self.rng.choice(KINDS)
            self.visits[kind] += 1
            try:
                await self._visit(kind)
            except* (LipstreamClientError, OSError) as group:
                self.errors.extend(f"{kind}: {error}" for error in group.exceptions)
            await asyncio.sleep(self.rng.uniform(0.0, 1.0))

    async def _visit(self, kind: Kind) -> None:
        if kind == "speak":
            await talk([self.url], 0, self.speech, self.manner, self.spoken)
            return
        rate_hz, manner = self.speech.rate_hz, self.manner
        with _socket_to(self.url) as wire:
            async with connect(
                self.url, avatar=manner.avatar, sample_rate=rate_hz, output=manner.output, resumes=False, sock=wire
            ) as session:
                await self._speak_for(session, self.rng.uniform(0.2, 5.0))
                if kind == "interrupt":
                    await session.clear()
                    await self._speak_for(session, self.rng.uniform(0.2, 5.0))
                    await session.end()
                    async for _ in session:
                        pass
                elif kind == "vanish":
                    # Not a word, as when a network goes away.
                    wire.shutdown(socket.SHUT_RDWR)

    async def _speak_for(self, session: Session, seconds: float) -> None:
        """Speak and listen for so long."""

        async def send() -> None:
            async for chunk in chunks(self.speech, time.monotonic()):
                await session.send_audio(chunk)

        async def listen() -> None:
            async for frame in session.frames():
                seen(frame)

        tasks = [asyncio.create_task(send()), asyncio.create_task(listen())]
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()


def _socket_to(url: str) -> socket.socket:
    parts = urlsplit(url)
    wire = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=5)
    wire.setblocking(False)
    return wire

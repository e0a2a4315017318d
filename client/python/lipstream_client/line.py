"""A session's connection to a gateway, and to the next one when it is lost.

One task owns the socket: it sends what was said, lays in what comes, and resumes the session elsewhere. It lays in no
more than a few messages, so that who does not read slows the server down.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import websockets
from websockets.asyncio.client import ClientConnection

from lipstream_client.errors import LipstreamClientError
from lipstream_client.events import Cleared, Ended, Event, Hello, Resumed, Segment, Started, parse_event
from lipstream_client.frames import Flag, Frame, parse_frame
from lipstream_client.repeats import Repeats
from lipstream_client.said import Said
from lipstream_client.sockets import close, closed, open_socket

LAID_IN: Final = 16
NORMAL: Final = 1000
RESUMABLE: Final = (None, 1001, 1006, 1011, 1012, 1013)
"""Close codes after which a session may go on elsewhere; None is a connection that was cut."""
_PAUSES_S: Final = (0.0, 0.05, 0.1, 0.2, 0.4)
_MARGIN_S: Final = 0.05
"""A server resamples: it needs a little audio from before the frame at which it goes on."""
_RATE_HZ: Final = 16_000

Item = Frame | Event


@dataclass(slots=True)
class Line:
    """The present connection, and how to make the next.

    Attributes
    ----------
    urls : of gateways of one installation; the first one is asked first.
    hello, started : what the first gateway said.
    """

    urls: Sequence[str]
    options: Mapping[str, Any]
    sample_rate_hz: int
    said: Said
    hello: Hello
    started: Started
    resumes: bool
    _socket: ClientConnection
    _items: asyncio.Queue[Item | LipstreamClientError | None] = field(default_factory=lambda: asyncio.Queue(LAID_IN))
    _over: bool = False
    _failure: LipstreamClientError | None = None
    _last_frame: int | None = None
    _epoch: int = 0
    _token: str = ""
    _segments: dict[int, int] = field(default_factory=dict)
    _repeats: Repeats = field(default_factory=Repeats)

    def __post_init__(self) -> None:
        self._token = self.started.resume

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """While the line is held."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            await _stop(task)
            await close(self._socket)

    async def say(self, *items: Any) -> None:
        """Wait until items have been sent, or voided.

        Raises
        ------
        LipstreamClientError
            `closed`: they cannot be sent any more.
        """
        for item in items:
            await item.sent.wait()
        if self._over:
            raise self._failure or LipstreamClientError("closed", "the session has ended")

    async def hear(self) -> Item | None:
        """What the server says next; None once it has ended the session.

        Raises
        ------
        LipstreamClientError
            The server reports an error, or the line is dead.
        """
        if self._over and self._items.empty():
            if self._failure is not None:
                raise self._failure
            return None
        item = await self._items.get()
        if isinstance(item, LipstreamClientError):
            raise item
        return item

    async def _run(self) -> None:
        resumed: Resumed | None = None
        while (lost := await self._serve(resumed)) is not None:
            try:
                if not self._may_resume(lost):
                    raise lost
                resumed = await self._come_back(lost)
            except LipstreamClientError as error:
                await self._end(error)
                return
        await self._end(None)

    def _may_resume(self, lost: LipstreamClientError) -> bool:
        return self.resumes and lost.close_code in RESUMABLE

    async def _serve(self, resumed: Resumed | None) -> LipstreamClientError | None:
        """Until the server has ended the session (None) or the connection is lost."""
        sending, receiving = asyncio.create_task(self._send()), asyncio.create_task(self._receive(resumed))
        closing = asyncio.create_task(self._socket.wait_closed())
        try:
            await asyncio.wait([receiving, closing], return_when=asyncio.FIRST_COMPLETED)
            lost = closed(self._socket.protocol.close_exc) if closing.done() else None
            if lost is not None and self._may_resume(lost):
                # What waits to be read will come again; nobody may be reading now.
                return lost
            return await receiving
        finally:
            await _stop(sending, receiving, closing)

    async def _receive(self, resumed: Resumed | None) -> LipstreamClientError | None:
        """Lay in what comes until the connection ends: None if the server has ended the session."""
        held: LipstreamClientError | None = None
        ended = False
        if resumed is not None:
            await self._lay_in(resumed)
        try:
            while True:
                message = await self._socket.recv()
                if held is not None:
                    await self._items.put(held)
                    held = None
                try:
                    item = parse_event(message) if isinstance(message, str) else parse_frame(message)
                except LipstreamClientError as error:
                    if error.retryable:
                        # It is why the server closes, and matters only if the session cannot go on elsewhere.
                        held = error
                    else:
                        await self._items.put(error)
                    continue
                ended = ended or isinstance(item, Ended)
                if item is not None and not self._repeats.is_one(item):
                    await self._lay_in(item)
                    self._repeats.note(item)
        except websockets.ConnectionClosed as error:
            lost = closed(error)
            if ended and lost.close_code == NORMAL:
                return None
            if held is not None and not self._may_resume(lost):
                await self._items.put(held)
            return lost

    async def _send(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                item = await self.said.next()
                await self._socket.send(item.message)
                self.said.mark(item, keep=self.resumes)

    async def _lay_in(self, item: Item) -> None:
        """Give out what came, then keep account of it: what is not given out shall come again."""
        await self._items.put(item)
        match item:
            case Frame() if Flag.IDLE not in item.flags:
                self._last_frame, self._epoch = item.frame, max(self._epoch, item.epoch)
                self._forget(item.frame)
            case Segment():
                self._segments[item.first_frame] = item.audio
            case Cleared() | Resumed():
                self._epoch = max(self._epoch, item.epoch)

    def _forget(self, frame: int) -> None:
        first = max((first for first in self._segments if first <= frame), default=None)
        if first is None:
            return
        self._segments = {at: audio for at, audio in self._segments.items() if at >= first}
        passed = (frame - first) * self.started.samples_per_frame * self.sample_rate_hz // _RATE_HZ
        margin = round(_MARGIN_S * self.sample_rate_hz)
        self.said.forget(self._segments[first] + passed - margin, self._segments[first])

    async def _come_back(self, lost: LipstreamClientError) -> Resumed:
        """Resume the session, at whichever gateway answers.

        Raises
        ------
        LipstreamClientError
            None did in time, or one says that the session is gone.
        """
        give_up_s = time.monotonic() + self.started.resume_s
        for attempt in range(1_000_000):
            await asyncio.sleep(_PAUSES_S[min(attempt, len(_PAUSES_S) - 1)])
            try:
                return await self._resume(self.urls[attempt % len(self.urls)])
            except LipstreamClientError as error:
                if not error.retryable or time.monotonic() >= give_up_s:
                    raise LipstreamClientError("session_lost", f"{lost.message}; {error.message}") from error
        raise AssertionError

    async def _resume(self, url: str) -> Resumed:
        socket = await open_socket(url, self.options)
        asked = {"type": "resume", "token": self._token, "last_frame": self._last_frame, "epoch": self._epoch}
        try:
            parse_event(str(await socket.recv()))
            await socket.send(json.dumps({name: value for name, value in asked.items() if value is not None}))
            resumed = parse_event(str(await socket.recv()))
        except websockets.ConnectionClosed as error:
            raise closed(error) from error
        except LipstreamClientError:
            await close(socket)
            raise
        if not isinstance(resumed, Resumed):
            await close(socket)
            raise LipstreamClientError("bad_message", "the server did not answer the resume with 'resumed'")
        self._socket, self._token = socket, resumed.resume
        self.said.go_back(resumed.audio, resumed.commands, resumed.epoch)
        return resumed

    async def _end(self, error: LipstreamClientError | None) -> None:
        self._over, self._failure = True, error
        self.said.release()
        await self._items.put(error)


async def _stop(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

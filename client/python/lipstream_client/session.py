"""One session with a gateway over `lipstream.v1`.

Nothing is queued here beyond the few messages that `websockets` reads ahead: who does not read frames slows the
server down (`lossless`) or has them concealed (`live`), and memory stays bounded.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from lipstream_client.errors import LipstreamClientError
from lipstream_client.events import Cleared, Ended, Event, Hello, Started, Stats, Switched, parse_event
from lipstream_client.frames import Frame, parse_frame

PROTOCOL: Final = "lipstream.v1"
_RECEIVED_MAX_BYTES: Final = 16 * 2**20
_READ_AHEAD: Final = 16
_CLOSE_TIMEOUT_S: Final = 2.0
"""A lossless server that waits for its frames to be read may be slow to hear that they will not be."""
_NORMAL_CLOSURE: Final = 1000
_SAMPLE_BYTES: Final = {"s16le": 2, "f32le": 4}


class Session:
    """An open session; made by `connect`.

    Send from as many tasks as you like, read from one: `async for item in session` gives frames and events in the
    server's order, `session.frames()` frames alone. Both raise `LipstreamClientError` when the server reports an error;
    that alone does not end the session, so reading may go on. They stop when the server has ended the session.

    Attributes
    ----------
    hello, started : what the server said at the start: avatars and limits; frame rate, size, look-ahead.
    avatar : whose frames are given out now; a `switch` changes it when its `Switched` is given out.
    epoch : raised by each barge-in; frames of older epochs are never given out.
    stats : the server's latest numbers of this session, or None before the first.
    ended : the server's totals, or None before the end.
    """

    def __init__(self, socket: ClientConnection, hello: Hello, started: Started) -> None:
        self.hello = hello
        self.started = started
        self.avatar = started.avatar
        self.epoch = started.epoch
        self.stats: Stats | None = None
        self.ended: Ended | None = None
        self._socket = socket
        self._clears_under_way = 0

    async def send_audio(self, audio: bytes) -> None:
        """Send mono audio of any length, in the format and at the rate of `connect`; waits while the server is full.

        Raises
        ------
        LipstreamClientError
            `bad_audio`: not a whole number of samples. `closed`: the connection is gone.
        """
        sample_bytes = _SAMPLE_BYTES[self.started.format]
        if len(audio) % sample_bytes:
            kind = "PCM16 has an even number of bytes" if sample_bytes == 2 else "float32 has 4 bytes a sample"
            raise LipstreamClientError("bad_audio", f"{kind}, got {len(audio)}", "audio", sample_bytes)
        largest = self.hello.limits["message_max_bytes"] // sample_bytes * sample_bytes
        for start in range(0, len(audio), largest):
            await self._send(bytes(audio[start : start + largest]))

    async def begin(self, template: int) -> None:
        """Between segments: let the next one begin over this template frame, where the caller's idle loop stands."""
        await self._tell("begin", template=template)

    async def flush(self) -> None:
        """End the segment: its last frames come out without waiting for more audio."""
        await self._tell("flush")

    async def clear(self, shown: int | None = None) -> None:
        """Barge in: what was said before is void, and none of its frames is given out from now on.

        The `Cleared` that follows tells which utterance was cut and after how much of its media time.

        Parameters
        ----------
        shown : number of the last speech frame that was really shown; None: the last one that the server has sent.
        """
        self._clears_under_way += 1
        await self._tell("clear", **({} if shown is None else {"shown": shown}))

    async def switch(self, avatar: str) -> None:
        """Flush, and from the next audio on let another avatar of the same frame rate speak.

        `Switched` is given out where its pictures begin. Where the server refuses, reading raises its error and the
        session goes on with the avatar that it has.
        """
        await self._tell("switch", avatar=avatar)

    async def ping(self, id: int | str | None = None) -> None:
        """Ask for a `Pong` with the same `id`."""
        await self._tell("ping", **({} if id is None else {"id": id}))

    async def end(self) -> None:
        """No more audio; the rest is delivered, then the iterators stop."""
        await self._tell("end")

    async def frames(self) -> AsyncIterator[Frame]:
        """The frames, without the events between them."""
        async for item in self:
            if isinstance(item, Frame):
                yield item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame | Event:
        while True:
            message = await self._receive()
            item = parse_event(message) if isinstance(message, str) else self._current(parse_frame(message))
            if item is not None:
                self._note(item)
                return item

    def _current(self, frame: Frame) -> Frame | None:
        """The frame, unless a barge-in has made it void, be it confirmed or under way."""
        oldest = self.epoch + 1 if self._clears_under_way else self.epoch
        return frame if frame.epoch >= oldest else None

    def _note(self, item: Frame | Event) -> None:
        match item:
            case Cleared():
                self._clears_under_way = max(0, self._clears_under_way - 1)
                self.epoch = item.epoch
            case Switched():
                self.avatar = item.avatar
            case Stats():
                self.stats = item
            case Ended():
                self.ended = item

    async def _receive(self) -> str | bytes:
        try:
            return await self._socket.recv()
        except websockets.ConnectionClosed as error:
            if self.ended is not None and _code(error) == _NORMAL_CLOSURE:
                raise StopAsyncIteration from None
            raise _closed(error) from error

    async def _tell(self, kind: str, **fields: Any) -> None:
        await self._send(json.dumps({"type": kind, **fields}))

    async def _send(self, message: str | bytes) -> None:
        try:
            await self._socket.send(message)
        except websockets.ConnectionClosed as error:
            raise _closed(error) from error


@asynccontextmanager
async def connect(
    url: str,
    *,
    avatar: str = "demo",
    sample_rate: int = 24_000,
    pace: Literal["live", "lossless"] = "live",
    idle: Literal["client", "server"] = "client",
    quality: int | None = None,
    output: Literal["frame", "patch"] = "frame",
    format: Literal["s16le", "f32le"] = "s16le",
    token: str | None = None,
    open_timeout_s: float = 10.0,
    **websocket_options: Any,
) -> AsyncIterator[Session]:
    """Open a session; leaving the block closes it, whatever is under way.

    Parameters
    ----------
    url : `ws://HOST:PORT` or `wss://...`; without a path, `/ws` is meant.
    sample_rate : of the audio that will be sent, 8,000 to 48,000 Hz.
    pace : `live` conceals a frame that is late; `lossless` waits for each.
    idle : who shows the template between utterances; `server` sends idle frames.
    quality : of the JPEGs: 60, 75, 85 or 95; None: the server's choice.
    output : `frame` for whole pictures, `patch` for the painted rectangle alone, some seven times fewer bytes.
    format : of the audio: 16 bit integers, or 32 bit floats from -1 to 1; both little endian.
    token : API key or signed session token, where `hello.auth` says that one is needed.
    websocket_options : for `websockets.asyncio.client.connect`, such as `ssl` or `additional_headers`.

    Raises
    ------
    LipstreamClientError
        `unreachable`, `refused`, or what the server answers to the start.
    """
    options: dict[str, Any] = {
        "subprotocols": [Subprotocol(PROTOCOL)],
        "compression": None,  # JPEG does not get smaller
        "max_size": _RECEIVED_MAX_BYTES,
        "max_queue": _READ_AHEAD,
        "open_timeout": open_timeout_s,
    }
    try:
        socket = await websockets.connect(_with_path(url), **(options | websocket_options))
    except (websockets.InvalidURI, ValueError) as error:
        raise LipstreamClientError("unreachable", f"{url} is not a ws:// or wss:// address", "url") from error
    except websockets.InvalidHandshake as error:
        raise _refused(url, error) from error
    except (OSError, TimeoutError) as error:
        raise LipstreamClientError("unreachable", f"cannot reach {url}: {error}", "url", retryable=True) from error
    try:
        start = {
            "type": "start", "v": 1, "avatar": avatar, "sample_rate": sample_rate, "format": format, "pace": pace,
            "idle": idle, "output": output, "quality": quality, "token": token,
        }  # fmt: skip
        yield await _open(socket, {name: value for name, value in start.items() if value is not None})
    finally:
        await _close(socket)


async def _open(socket: ClientConnection, start: dict[str, Any]) -> Session:
    """Hello, start, started."""
    try:
        hello = parse_event(str(await socket.recv()))
        if not isinstance(hello, Hello) or hello.protocol != PROTOCOL:
            raise LipstreamClientError("bad_message", f"the server does not speak {PROTOCOL}")
        await socket.send(json.dumps(start))
        started = parse_event(str(await socket.recv()))
    except websockets.ConnectionClosed as error:
        raise _closed(error) from error
    if not isinstance(started, Started):
        raise LipstreamClientError("bad_message", "the server did not answer the start with 'started'")
    return Session(socket, hello, started)


async def _close(socket: ClientConnection) -> None:
    """Close; give up on a server that does not read."""
    closing = asyncio.create_task(socket.close())
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            # What is still on its way is thrown away: unread, it would keep the server's goodbye from arriving.
            with suppress(websockets.ConnectionClosed):
                async for _ in socket:
                    pass
            await closing
    except TimeoutError:
        socket.transport.abort()
    await asyncio.gather(closing, return_exceptions=True)


def _with_path(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path="/ws").geturl() if parts.path in ("", "/") else url


def _code(error: websockets.ConnectionClosed) -> int | None:
    return error.rcvd.code if error.rcvd else None


def _closed(error: websockets.ConnectionClosed) -> LipstreamClientError:
    reason = error.rcvd.reason if error.rcvd and error.rcvd.reason else "the connection was lost"
    retryable = _code(error) in (None, 1001, 1013)
    return LipstreamClientError("closed", f"{reason} (close code {_code(error)})", retryable=retryable)


def _refused(url: str, error: websockets.InvalidHandshake) -> LipstreamClientError:
    if not isinstance(error, websockets.InvalidStatus):
        return LipstreamClientError("refused", f"{url} is no Lipstream gateway: {error}", "url")
    body = (error.response.body or b"").decode(errors="replace").strip()[:200]
    status = error.response.status_code
    message = f"{url} answered HTTP {status}" + (f": {body}" if body else "")
    return LipstreamClientError("refused", message, "url", retryable=status == 503)

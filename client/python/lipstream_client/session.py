"""One session with a gateway over `lipstream.v1`.

Little is queued here: who does not read frames slows the server down (`lossless`) or has them concealed (`live`), and
memory stays bounded.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, Self

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from lipstream_client.errors import LipstreamClientError
from lipstream_client.events import Cleared, Ended, Event, Hello, Resumed, Started, Stats, Switched, parse_event
from lipstream_client.frames import Frame
from lipstream_client.line import Line
from lipstream_client.said import Said
from lipstream_client.sockets import close, closed, open_socket, trusting

PROTOCOL: Final = "lipstream.v1"
_RECEIVED_MAX_BYTES: Final = 16 * 2**20
_READ_AHEAD: Final = 4
_SAMPLE_BYTES: Final = {"s16le": 2, "f32le": 4}


class Session:
    """An open session; made by `connect`.

    Send from as many tasks as you like, read from one: `async for item in session` gives frames and events in the
    server's order, `session.frames()` frames alone. Both raise `LipstreamClientError` when the server reports an error;
    that alone does not end the session, so reading may go on. They stop when the server has ended the session.

    A lost connection does not end it either: it goes on over the next one, at this gateway or another, with no frame
    missing and none twice. `Resumed` is given out then, and what had not come through is sent again.

    Attributes
    ----------
    hello, started : what the server said at the start: avatars and limits; frame rate, size, look-ahead.
    avatar : whose frames are given out now; a `switch` changes it when its `Switched` is given out.
    epoch : raised by each barge-in; frames of older epochs are never given out.
    stats : the server's latest numbers of this session, or None before the first.
    ended : the server's totals, or None before the end.
    """

    def __init__(self, line: Line) -> None:
        self.hello = line.hello
        self.started = line.started
        self.avatar = line.started.avatar
        self.epoch = line.started.epoch
        self.stats: Stats | None = None
        self.ended: Ended | None = None
        self._line = line
        self._said = line.said

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
            await self._line.say(self._said.say_audio(bytes(audio[start : start + largest])))

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
        while (item := await self._line.hear()) is not None:
            # A barge-in makes what was said before it void at once, whether it is confirmed or under way.
            if isinstance(item, Frame) and item.epoch < self._said.epoch:
                continue
            self._note(item)
            return item
        raise StopAsyncIteration

    def _note(self, item: Frame | Event) -> None:
        match item:
            case Cleared() | Resumed():
                self.epoch = item.epoch
            case Switched():
                self.avatar = item.avatar
            case Stats():
                self.stats = item
            case Ended():
                self.ended = item

    async def _tell(self, kind: str, **fields: Any) -> None:
        await self._line.say(self._said.say(kind, **fields))


@asynccontextmanager
async def connect(
    url: str | Sequence[str],
    *,
    avatar: str = "demo",
    sample_rate: int = 24_000,
    pace: Literal["live", "lossless"] = "live",
    idle: Literal["client", "server"] = "client",
    quality: int | None = None,
    output: Literal["frame", "patch"] = "frame",
    format: Literal["s16le", "f32le"] = "s16le",
    token: str | None = None,
    record: bool | None = None,
    resumes: bool = True,
    ca_file: str | Path | None = None,
    open_timeout_s: float = 10.0,
    **websocket_options: Any,
) -> AsyncIterator[Session]:
    """Open a session; leaving the block closes it, whatever is under way.

    Parameters
    ----------
    url : `ws://HOST:PORT` or `wss://...`; without a path, `/ws` is meant. Of several, of gateways of one installation,
        the first begins the session and any may go on with it.
    sample_rate : of the audio that will be sent, 8,000 to 48,000 Hz.
    pace : `live` conceals a frame that is late; `lossless` waits for each.
    idle : who shows the template between utterances; `server` sends idle frames.
    quality : of the JPEGs: 60, 75, 85 or 95; None: the server's choice.
    output : `frame` for whole pictures, `patch` for the painted rectangle alone, some seven times fewer bytes.
    format : of the audio: 16 bit integers, or 32 bit floats from -1 to 1; both little endian.
    token : API key or signed session token, where `hello.auth` says that one is needed.
    record : whether to record the session; None: the server's choice. `started.recording` tells.
    resumes : whether a lost connection is followed by another, for as long as the server keeps the session.
    ca_file : PEM of the authority behind the certificate of a `wss://` gateway; None: those that the system trusts.
    websocket_options : for `websockets.asyncio.client.connect`, such as `ssl` or `additional_headers`.

    Raises
    ------
    LipstreamClientError
        `unreachable`, `untrusted`, `refused`, or what the server answers to the start.
    """
    options: dict[str, Any] = {
        "subprotocols": [Subprotocol(PROTOCOL)],
        "compression": None,  # JPEG does not get smaller
        "max_size": _RECEIVED_MAX_BYTES,
        "max_queue": _READ_AHEAD,
        "open_timeout": open_timeout_s,
    }
    options |= websocket_options
    if ca_file is not None:
        options["ssl"] = trusting(ca_file)
    urls = [url] if isinstance(url, str) else list(url)
    socket = await open_socket(urls[0], options)
    try:
        start = {
            "type": "start", "v": 1, "avatar": avatar, "sample_rate": sample_rate, "format": format, "pace": pace,
            "idle": idle, "output": output, "quality": quality, "token": token, "record": record,
        }  # fmt: skip
        hello, started = await _open(socket, {name: value for name, value in start.items() if value is not None})
    except BaseException:
        await close(socket)
        raise
    said = Said(_SAMPLE_BYTES[started.format])
    resumes = resumes and bool(started.resume)
    line = Line(urls, options, sample_rate, said, hello, started, resumes, socket)
    async with line.up():
        yield Session(line)


async def _open(socket: ClientConnection, start: dict[str, Any]) -> tuple[Hello, Started]:
    """Hello, start, started."""
    try:
        hello = parse_event(str(await socket.recv()))
        if not isinstance(hello, Hello) or hello.protocol != PROTOCOL:
            raise LipstreamClientError("bad_message", f"the server does not speak {PROTOCOL}")
        await socket.send(json.dumps(start))
        started = parse_event(str(await socket.recv()))
    except websockets.ConnectionClosed as error:
        raise closed(error) from error
    if not isinstance(started, Started):
        raise LipstreamClientError("bad_message", "the server did not answer the start with 'started'")
    return hello, started

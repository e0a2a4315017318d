"""A WebSocket server that speaks `lipstream.v1` by a script: real sockets, no pipeline behind them."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from common.frames import Flag, FrameHeader

LIMITS = {"message_max_bytes": 1_000, "sample_rate_min_hz": 8_000, "sample_rate_max_hz": 48_000}
HELLO = {
    "type": "hello", "protocol": "lipstream.v1", "v": 1, "version": "0.1.0", "auth": False, "avatars": ["tiny"],
    "limits": LIMITS,
}  # fmt: skip
STARTED = {
    "type": "started", "session": "s0000001", "avatar": "tiny", "fps": 25, "width": 64, "height": 48,
    "template_frames": 12, "lookahead_ms": 100.0, "samples_per_frame": 640, "epoch": 0,
    "output": "frame", "format": "s16le", "patch": [20, 16, 44, 40],
}  # fmt: skip

Script = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def scripted(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve `script` to every connection; gives the URL."""
    async with serve(
        script, "127.0.0.1", 0, subprotocols=[Subprotocol("lipstream.v1")], close_timeout=0.5, ssl=tls
    ) as server:
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def tell(socket: ServerConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def greet(socket: ServerConnection) -> dict[str, Any]:
    """Hello, start, started; gives the client's `start`."""
    await socket.send(json.dumps(HELLO))
    start: dict[str, Any] = json.loads(await socket.recv())
    await socket.send(json.dumps(STARTED))
    return start


async def show(socket: ServerConnection, frame: int, *, epoch: int = 0, picture: bytes = b"jpeg") -> None:
    header = FrameHeader(epoch, frame, frame * 40_000, frame % 12, (0, 0, 64, 48), Flag.NONE)
    await socket.send(header.pack(picture))


async def finish(socket: ServerConnection, frames: int) -> None:
    await tell(socket, "ended", frames=frames, concealed=0)
    await socket.close(1000)

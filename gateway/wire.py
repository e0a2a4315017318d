"""Receiving and reporting on a WebSocket, as the handshake and the connection both need it."""

from starlette.websockets import WebSocket, WebSocketDisconnect

from common.errors import LipstreamError, ProtocolError
from gateway.messages import dump
from gateway.metrics import Metrics


async def receive(websocket: WebSocket) -> str | bytes:
    """The client's next message: JSON text or binary audio.

    Raises
    ------
    WebSocketDisconnect
        The client has gone.
    """
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or 1005)
    binary, text = message.get("bytes"), message.get("text")
    return bytes(binary) if binary is not None else str(text)


def text_of(message: str | bytes) -> str:
    """A message that must be text."""
    if isinstance(message, bytes):
        raise ProtocolError("a text message (JSON) is due; audio may follow `started`", field="type")
    return message


async def report(websocket: WebSocket, metrics: Metrics, error: LipstreamError) -> None:
    """Tell the client what was wrong; that alone ends nothing."""
    metrics.errors.labels(error.code).inc()
    await websocket.send_text(dump("error", **error.as_dict()))

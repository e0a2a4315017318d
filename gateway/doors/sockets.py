"""uvicorn's WebSocket, with bounds that it lacks: what a client does below the level of messages costs no memory."""

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

PONG_BUFFER_BYTES: Final = 65_536
"""With more than this unsent, pings stay unanswered, as RFC 6455 (5.5.3) allows: who sends them does not read."""
FRAGMENTS_MAX: Final = 1_024
"""Of one message. Empty fragments would never reach the limit on its bytes."""


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A class of its own because uvicorn asks for one; an instance is one connection."""

    _heard_s: float = 0.0

    def data_received(self, data: bytes) -> None:
        self._heard_s = self.loop.time()
        super().data_received(data)

    def keepalive_timeout(self) -> None:
        """Close a connection that is dead; one that back-pressure holds is not: its pong waits behind its audio."""
        if self.read_paused or self._heard_s > self.ping_sent_at:
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > PONG_BUFFER_BYTES:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) < FRAGMENTS_MAX:
            super().handle_cont(event)
            return
        self.frames = []
        self.conn.fail(1009, f"a message has at most {FRAGMENTS_MAX} fragments")
        self.handle_parser_exception()

"""What of a session goes into its recording, if it has one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket

from common.avatars.package import Avatar
from common.recording.records import InputKind
from common.records import SegmentRecord, SessionRecord
from gateway.actions import Action, Outgoing
from gateway.context import Gateway
from gateway.messages import Start
from gateway.opening import header_of
from gateway.recorder import Recorder, digest
from gateway.segmenter import Heard, Segment
from gateway.session import SessionCore
from gateway.wire import report


@dataclass(slots=True)
class Recording:
    """The recording of one session; of a session that is not recorded nothing is kept."""

    gateway: Gateway
    session: str
    _recorder: Recorder | None = None

    async def begin(
        self, avatar: Avatar, start: Start, record: SessionRecord, core: SessionCore, segments: Sequence[Segment]
    ) -> None:
        """Record the session, if it is to be; `segments` are those that it has already."""
        if start.record:
            settings = self.gateway.settings
            header = header_of(settings, self.session, await _digest(avatar), start, record, core)
            self._recorder = Recorder(self.gateway.recordings, header, settings.record_pictures)
            self._recorder.start()
            self._recorder.segments(core.epoch, (segment.record for segment in segments))

    def heard(self, kind: InputKind, before: Heard, data: Any = None) -> None:
        """The client has said something, or paused."""
        if self._recorder:
            self._recorder.heard(kind, before, data)

    async def switched(self, before: Heard, avatar: Avatar) -> None:
        """The client has asked for another avatar."""
        if self._recorder:
            self._recorder.heard("switch", before, await _digest(avatar))

    def done(self, epoch: int, actions: Sequence[Action]) -> None:
        """Segments have begun, or ended, if such are among the actions."""
        if self._recorder:
            self._recorder.segments(epoch, (action for action in actions if isinstance(action, SegmentRecord)))

    def sent(self, item: Outgoing) -> None:
        """A message has left."""
        if self._recorder and isinstance(item.message, bytes) and item.ready_ms is not None:
            self._recorder.sent(item.message)

    async def report(self, websocket: WebSocket) -> None:
        """Tell the client once that its session is recorded no longer."""
        if self._recorder and self._recorder.failure and not self._recorder.is_told:
            self._recorder.is_told = True
            await report(websocket, self.gateway.metrics, self._recorder.failure)

    def close(self, reason: str) -> None:
        """The session is over here."""
        if self._recorder:
            self._recorder.close(reason)


async def _digest(avatar: Avatar) -> dict[str, Any]:
    return (await asyncio.to_thread(digest, avatar)).model_dump()

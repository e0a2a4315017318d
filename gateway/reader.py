"""Reads a session's socket: checks what its client says, and lays it in for the session to take as it has room."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.websockets import WebSocket

from common.avatars.package import Avatar
from common.clock import steady_ms
from common.errors import InputError
from common.media import BYTES_PER_SAMPLE
from gateway import messages
from gateway.checks import check_rate, checked_audio, checked_command
from gateway.context import Gateway
from gateway.intake import Intake
from gateway.messages import AudioFormat, dump
from gateway.recording import Recording
from gateway.segmenter import Heard
from gateway.wire import receive, report


@dataclass(slots=True)
class Reader:
    """The reading half of a session's socket.

    Attributes
    ----------
    interrupt : carries out a barge-in: the last frame that the client has shown, and how far it was heard.
    heard : how far into what the client sent the reader is; the session itself follows as it has room.
    """

    websocket: WebSocket
    gateway: Gateway
    session: str
    encoding: AudioFormat
    sample_rate_hz: int
    fps: int
    intake: Intake
    recording: Recording
    interrupt: Callable[[int | None, Heard], Awaitable[None]]
    heard: Heard = field(default_factory=Heard)
    _is_ending: bool = False

    async def run(self) -> None:
        """Read until the client goes; a barge-in and a ping act at once."""
        while True:
            message = await receive(self.websocket)
            try:
                await self._lay_in(self._checked(message))
            except InputError as error:
                await report(self.websocket, self.gateway.metrics, error)

    def _checked(self, message: str | bytes) -> bytes | messages.ClientMessage:
        if isinstance(message, bytes):
            limit = self.gateway.settings.message_max_bytes
            pcm = checked_audio(message, self.encoding, max_bytes=limit, is_ending=self._is_ending)
            self.gateway.hear(self.session, len(pcm) / BYTES_PER_SAMPLE / self.sample_rate_hz)
            return pcm
        command = checked_command(message, is_ending=self._is_ending)
        self._is_ending |= isinstance(command, messages.End)
        return command

    async def _lay_in(self, item: bytes | messages.ClientMessage) -> None:
        match item:
            case messages.Clear(shown=shown):
                self.recording.heard("clear", self.heard, shown)
                kept = self.intake.clear()
                await self.interrupt(shown, self.heard._replace(commands=self.heard.commands - kept))
            case messages.Ping():
                await self.websocket.send_text(
                    dump("pong", **item.model_dump(include={"id"}, exclude_none=True), server_ms=steady_ms())
                )
            case messages.Switch(avatar=name):
                avatar = self._next_avatar(name)
                await self.recording.switched(self.heard, avatar)
                self._count(commands=1)
                await self.intake.put(avatar)
            case bytes():
                self.recording.heard("audio", self.heard, item)
                self._count(audio=len(item) // BYTES_PER_SAMPLE)
                await self.intake.put(item)
            case messages.End():
                self.recording.heard("end", self.heard)
                await self.intake.put(item)
            case messages.Begin() | messages.Flush():
                template = item.template if isinstance(item, messages.Begin) else None
                self.recording.heard(item.type, self.heard, template)
                self._count(commands=1)
                await self.intake.put(item)

    def _next_avatar(self, name: str) -> Avatar:
        if name in self.gateway.avatars:
            check_rate(name, self.gateway.avatars[name].manifest.fps, self.fps)
        return self.gateway.use(self.session, name)

    def _count(self, *, audio: int = 0, commands: int = 0) -> None:
        self.heard = Heard(self.heard.audio + audio, self.heard.commands + commands)

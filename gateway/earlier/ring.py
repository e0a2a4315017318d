"""The conversation of `audio_chunk`, `get_frame` and `set_model`: one avatar at a time, in a session of its own."""

import asyncio
import base64
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from common.avatars.package import Avatar
from common.errors import ProtocolError
from common.frames import FrameHeader
from gateway.context import Gateway
from gateway.earlier.line import Line
from gateway.earlier.messages import AudioChunk, dump, pcm_of
from gateway.earlier.pictures import cut, patch_shape


@dataclass(slots=True)
class Ring:
    """A connection's frame buffer and the avatar in it."""

    gateway: Gateway
    session: str
    avatar: Avatar
    _fresh: asyncio.Event = field(default_factory=asyncio.Event)
    _line: Line | None = None
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _lines: int = 0

    async def run(self) -> None:
        """Keep the session of the present avatar, from its first audio on, for ever."""
        while True:
            await self._opened.wait()
            self._opened.clear()
            if self._line is not None:
                await self._line.run()

    def audio(self, chunk: AudioChunk) -> None:
        """Take a chunk of speech.

        Raises
        ------
        AudioError
            It is not base64 of PCM16.
        ProtocolError
            Its sample rate is not that of the chunks before.
        CapacityError
            Too much audio waits already.
        """
        pcm = pcm_of(chunk.audio_data, "audio_data")
        if self._line is None:
            self._line = self._open(chunk.sample_rate)
        rate_hz = self._line.sample_rate_hz
        if chunk.sample_rate != rate_hz:
            message = f"sample_rate: the first chunk said {rate_hz} Hz; `set_model` begins anew"
            raise ProtocolError(message, field="sample_rate", limit=rate_hz)
        self._line.audio(pcm)

    async def frame(self, output: Literal["frame", "patch"]) -> str:
        """`current_frame` with the next frame in order, or without picture while there is none."""
        model, message = self.avatar, self._line.take() if self._line else None
        if message is None:
            empty = {"frame_data": None, "message": "No frame available", "model_name": model.name}
            return dump("current_frame", **empty, timestamp=time.time())
        header, picture = FrameHeader.unpack(message)
        bounds = model.crops[header.template]
        if output == "patch":
            picture = await asyncio.to_thread(cut, picture, bounds)
        return dump(
            "current_frame", frame_data=base64.b64encode(picture).decode(), bounds=list(bounds), timestamp=time.time(),
            model_name=model.name, prediction_shape=patch_shape(model.manifest), frame_id=header.frame,
        )  # fmt: skip

    def set_avatar(self, avatar: Avatar) -> None:
        """Speech from now on is for this avatar; what another one has not said yet is dropped."""
        if avatar is not self.avatar and self._line is not None:
            self._line.closed = True
            self._line = None
        self.avatar = avatar

    async def news(self) -> str:
        """The next `frames_generated`; waits for it."""
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            if self._line is not None and (count := self._line.news()):
                return dump("frames_generated", count=count, buffer_fill=self._line.frames_ready)

    def stats(self) -> dict[str, Any]:
        """The fields of `stats`; audio in chunks of 40 ms."""
        line = self._line
        return {
            "audio_buffer_fill": line.chunks_waiting if line else 0,
            "frame_buffer_fill": line.frames_ready if line else 0,
            "can_generate": line is not None and line.core.has_room and line.chunks_waiting > 0,
            "current_model": self.avatar.name,
            "frames_dropped": line.dropped if line else 0,
            "frames_concealed": line.core.concealed if line else 0,
        }

    def _open(self, sample_rate_hz: int) -> Line:
        self._lines += 1
        self._opened.set()
        return Line(self.gateway, f"{self.session}-ring{self._lines}", self.avatar, sample_rate_hz, self._fresh)

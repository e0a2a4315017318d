"""One connection of an earlier client: each message gets its answer, in the order of the messages."""

import asyncio
import base64
import logging
import time
from dataclasses import dataclass, field
from typing import Final

from starlette.websockets import WebSocket

from common.avatars.package import Avatar
from common.errors import LipstreamError, ProtocolError
from common.tasks import stop
from gateway.context import Gateway
from gateway.earlier import binary, messages, models
from gateway.earlier.messages import dump
from gateway.earlier.pictures import patch_shape, template_picture
from gateway.earlier.ring import Ring
from gateway.earlier.single import Painted, Single
from gateway.earlier.tally import Tally
from gateway.wire import receive

log = logging.getLogger(__name__)

PENDING: Final = 16
"""Requests of one connection that may be in work; with more unanswered its socket is left alone."""
GRACE_S: Final = 2.0
STATS_INTERVAL_S: Final = 5.0
BINARY_VERSION: Final = "1.0"

STAGE_TIMES: Final = (
    ("prepare_time_ms", "audio"),
    ("inference_time_ms", "inference"),
    ("composite_time_ms", "compositor"),
)
"""What the stages' work is called in an answer."""

Answer = str | bytes | None


async def serve(websocket: WebSocket, gateway: Gateway, session: str, first: str | bytes) -> None:
    """Speak with an earlier client until either side ends.

    Parameters
    ----------
    session : one of `gateway.sessions`, at most 48 characters; the sessions behind it are named after it.
    first : the message that showed that the client is one.

    Raises
    ------
    WebSocketDisconnect
        The client has gone.
    InputError
        No avatar is offered.
    BusError
        Redis is unreachable or full.
    """
    ring = Ring(gateway, session, models.find(gateway, session, ""))
    await _Conversation(websocket, gateway, session, ring, Single(gateway, session)).run(first)


@dataclass(slots=True)
class _Conversation:
    websocket: WebSocket
    gateway: Gateway
    session: str
    ring: Ring
    single: Single
    tally: Tally = field(default_factory=Tally)
    _answers: "asyncio.Queue[asyncio.Task[Answer]]" = field(default_factory=lambda: asyncio.Queue(PENDING))
    _working: "set[asyncio.Task[Answer]]" = field(default_factory=set)

    async def run(self, first: str | bytes) -> None:
        jobs = (self._read(first), self._send(), self.ring.run(), self._tell_news(), self._tell_stats())
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await stop(*tasks)
            # What is in work ends by itself: a request that is cut off could leave its keys behind.
            if self._working:
                await asyncio.wait(self._working, timeout=GRACE_S)
            await stop(*self._working)

    # the tasks

    async def _read(self, message: str | bytes) -> None:
        while True:
            task = asyncio.create_task(self._answer(message))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
            await self._answers.put(task)
            message = await receive(self.websocket)

    async def _send(self) -> None:
        while True:
            answer = await (await self._answers.get())
            if isinstance(answer, str):
                await self.websocket.send_text(answer)
            elif answer is not None:
                await self.websocket.send_bytes(answer)

    async def _tell_news(self) -> None:
        while True:
            await self.websocket.send_text(await self.ring.news())

    async def _tell_stats(self) -> None:
        told = 0
        while True:
            await asyncio.sleep(STATS_INTERVAL_S)
            if self.tally.requests > told:
                told = self.tally.requests
                await self.websocket.send_text(self._stats())

    # the answers

    async def _answer(self, message: str | bytes) -> Answer:
        """The answer to one message; whatever is wrong with it, there is one and the connection goes on."""
        began_s, frame_id = time.monotonic(), 0
        try:
            self._check_length(message)
            if isinstance(message, str):
                return await self._answer_json(messages.parse(message))
            request = binary.unpack_request(message)
            frame_id = request.frame_id
            return await self._answer_binary(request)
        except LipstreamError as caught:
            error = caught
        except Exception:
            log.exception("a request of an earlier protocol failed")
            error = LipstreamError("internal error; the server's log has the details")
        self.gateway.metrics.errors.labels(error.code).inc()
        if isinstance(message, str):
            return messages.failure(error, message)
        took_ms = round((time.monotonic() - began_s) * 1000)
        return binary.pack(binary.Failure(frame_id, took_ms, f"{error.code}: {error.message}"))

    def _check_length(self, message: str | bytes) -> None:
        limit = self.gateway.settings.message_max_bytes
        if len(message) > limit:
            raise ProtocolError(f"a message of {len(message)} bytes is too long", limit=limit)

    async def _answer_json(self, request: messages.Request) -> Answer:
        match request:
            case messages.GetFrame():
                return await self.ring.frame(request.output)
            case messages.GetReferenceImage():
                return await self._reference_image(request)
            case messages.GetVideoFrame():
                return await self._video_frame(request)
            case messages.Inference():
                return await self._inference(request)
            case _:
                return self._answer_at_once(request)

    def _answer_at_once(self, request: messages.Request) -> str | None:
        match request:
            case messages.AudioChunk():
                self.ring.audio(request)
            case messages.SetModel():
                self.ring.set_avatar(self._avatar(request.model_name))
                return self._stats()
            case messages.GetStats():
                return self._stats()
            case messages.GetMetadata():
                avatar = self._avatar(request.model_name)
                return dump("metadata", **models.metadata(avatar, request.model_name))
            case messages.ListModels():
                names = list(self.gateway.avatars)
                if request.type == "list_models":
                    return dump("model_list", models=names, count=len(names))
                return dump("models", models={"loaded_models": names, "count": len(names)})
            case messages.SwitchToBinary():
                supported = {"binary_supported": True, "binary_protocol_version": BINARY_VERSION}
                return dump("protocol_ack", message="Binary protocol supported", **supported)
        return None

    async def _reference_image(self, request: messages.GetReferenceImage) -> str:
        avatar = self._avatar(request.model_name)
        picture = await self._template_picture(avatar, 0, "full_body")
        return dump(
            "reference_image", request_id=request.request_id, model_name=request.model_name or avatar.name,
            image_data=base64.b64encode(picture).decode(), bounds=list(avatar.crops[0]),
        )  # fmt: skip

    async def _video_frame(self, request: messages.GetVideoFrame) -> bytes:
        avatar = self._avatar(request.model_name)
        picture = await self._template_picture(avatar, request.frame_id, request.video_type)
        return binary.pack(binary.VideoFrame(request.frame_id, request.video_type, picture))

    async def _template_picture(self, avatar: Avatar, frame_id: int, video_type: str) -> bytes:
        quality = self.gateway.settings.jpeg_quality
        return await asyncio.to_thread(template_picture, avatar, frame_id, video_type, quality)

    async def _inference(self, request: messages.Inference) -> str:
        avatar = self._avatar(request.model_name)
        encoded = request.audio_override or request.audio_data or ""
        painted = await self._paint(avatar, request.frame_id, messages.pcm_of(encoded, "audio_override"))
        self.tally.json += 1
        fields = {name: round(painted.stages[stage][1], 1) for name, stage in STAGE_TIMES if stage in painted.stages}
        return dump(
            "inference", success=True, model_name=request.model_name or avatar.name, frame_id=request.frame_id,
            prediction_data=base64.b64encode(painted.picture).decode(), prediction_shape=patch_shape(avatar.manifest),
            bounds=list(painted.bounds), processing_time_ms=round(painted.took_ms), request_id=request.request_id,
            **fields,
        )  # fmt: skip

    async def _answer_binary(self, request: binary.Request) -> bytes:
        avatar = self._avatar(request.model_name)
        painted = await self._paint(avatar, request.frame_id, messages.check_pcm(request.audio, "audio"))
        self.tally.binary += 1
        bounds = tuple(map(float, painted.bounds))
        return binary.pack(binary.Mouth(request.frame_id, round(painted.took_ms), painted.picture, bounds))

    async def _paint(self, avatar: Avatar, frame_id: int, pcm: bytes) -> Painted:
        painted = await self.single.paint(avatar, frame_id, pcm)
        self.tally.total_ms += painted.took_ms
        return painted

    def _avatar(self, name: str) -> Avatar:
        return models.find(self.gateway, self.session, name)

    def _stats(self) -> str:
        return dump("stats", **self.ring.stats(), **self.tally.as_dict(), connected_clients=len(self.gateway.sessions))

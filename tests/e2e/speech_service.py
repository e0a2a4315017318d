"""OpenAI's part in a conversation, played by a WebRTC peer on this machine: a secret, an answer, a voice, events."""

import asyncio
import fractions
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvicorn
from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from av.audio.frame import AudioFrame
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.e2e.recordings import speech
from tests.pipeline import free_port

RATE_HZ = 48_000
FRAME_SAMPLES = 960
SECRET = "ek_of_this_test"


class Voice(MediaStreamTrack):
    """An endless line: silence, and speech when there is some to say."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.frames: deque[NDArray[np.int16]] = deque()
        self._count = 0
        self._began_s = time.monotonic()

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(self._began_s + self._count * FRAME_SAMPLES / RATE_HZ - time.monotonic())
        samples = self.frames.popleft() if self.frames else np.zeros(FRAME_SAMPLES, np.int16)
        frame = AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = RATE_HZ, fractions.Fraction(1, RATE_HZ)
        frame.pts = self._count * FRAME_SAMPLES
        self._count += 1
        return frame


class SpeechService:
    """The service and its one caller."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.events: list[dict[str, Any]] = []
        """What the caller has said on the channel."""
        self.authorization = ""
        self._loop = asyncio.new_event_loop()
        self._peers: list[RTCPeerConnection] = []
        self._voice = Voice()
        self._channel: RTCDataChannel | None = None
        self._answers = 0

    # what a test does

    def say(self, duration_s: float, words: str) -> str:
        """An answer of so many seconds of the sample; gives its item's id."""
        self._answers += 1
        item = f"item_{self._answers}"
        self._loop.call_soon_threadsafe(self._say, item, duration_s, words)
        return item

    def send(self, event: dict[str, Any]) -> None:
        self._loop.call_soon_threadsafe(self._send, event)

    def hush(self) -> None:
        """Stop talking in mid-word, as the service does when it hears somebody."""
        self._loop.call_soon_threadsafe(self._voice.frames.clear)

    @property
    def has_caller(self) -> bool:
        return self._channel is not None and self._channel.readyState == "open"

    # how it answers

    def _say(self, item: str, duration_s: float, words: str) -> None:
        self._send({"type": "response.created", "response": {"id": f"of_{item}"}})
        self._send({"type": "response.output_item.added", "item": {"id": item, "role": "assistant"}})
        self._send({"type": "response.output_audio_transcript.delta", "item_id": item, "delta": words})
        self._send({"type": "output_audio_buffer.started", "response_id": f"of_{item}"})
        whole = int(duration_s * RATE_HZ) // FRAME_SAMPLES * FRAME_SAMPLES
        self._voice.frames.extend(speech(RATE_HZ)[:whole].reshape(-1, FRAME_SAMPLES))

    def _send(self, event: dict[str, Any]) -> None:
        assert self._channel is not None
        self._channel.send(json.dumps(event))

    async def _secret(self, _: Request) -> Response:
        return JSONResponse({"value": SECRET, "expires_at": int(time.time()) + 600, "session": {"type": "realtime"}})

    async def _call(self, request: Request) -> Response:
        self.authorization = request.headers["authorization"]
        peer = RTCPeerConnection()
        self._peers.append(peer)
        self._voice = Voice()

        @peer.on("datachannel")  # type: ignore[untyped-decorator]
        def _(channel: RTCDataChannel) -> None:
            self._channel = channel
            channel.on("message", lambda text: self.events.append(json.loads(text)))
            self._send({"type": "session.created"})

        await peer.setRemoteDescription(RTCSessionDescription((await request.body()).decode(), "offer"))
        peer.addTrack(self._voice)
        await peer.setLocalDescription(await peer.createAnswer())
        return Response(peer.localDescription.sdp, status_code=201, media_type="application/sdp")

    @contextmanager
    def running(self) -> Iterator["SpeechService"]:
        """Serve in a thread of its own."""
        routes = [
            Route("/v1/realtime/client_secrets", self._secret, methods=["POST"]),
            Route("/v1/realtime/calls", self._call, methods=["POST"]),
        ]
        anybody = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
        app = Starlette(routes=routes, middleware=[anybody])
        server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="warning"))
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(server),))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield self
        finally:
            server.should_exit = True
            thread.join(15)
            self._loop.close()

    async def _serve(self, server: uvicorn.Server) -> None:
        await server.serve()
        await asyncio.gather(*(peer.close() for peer in self._peers))
        # Sockets are closed in the loop's next rounds.
        await asyncio.sleep(0.1)

"""`/health` and `/config` in the shapes that clients of the earlier systems read."""

import time

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from common.backlog import WorkerReport
from common.errors import BusError
from gateway.http.endpoint import Access, Call, Endpoint, json_of
from gateway.http.workers import living, missing_stages
from gateway.messages import Start


class Services(BaseModel):
    openai_api: str = Field(description="configured, or not configured")
    frame_generator: str = Field(description="the pipeline as a whole: healthy, or what is missing")
    grpc_service: str = Field(description="the inference workers: healthy, or unavailable")


class Backend(BaseModel):
    address: str = Field(description="host:pid of an inference worker")
    healthy: bool
    total_requests: int = Field(description="tasks done since it started")
    error_count: int = Field(description="tasks given up since it started")


class Health(BaseModel):
    """With status 503 when no inference worker lives."""

    status: str
    timestamp: float = Field(description="Unix seconds")
    services: Services
    healthy: bool
    total_backends: int
    healthy_count: int
    backends: list[Backend]


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class AudioConfig(_Camel):
    sample_rate: int = Field(description="Hz, unless a session says otherwise")
    chunk_duration: float = Field(description="milliseconds of audio in a frame")
    buffer_size: int = Field(description="frames in a session's audio ring")
    inference_frames: int = Field(description="encoder rows that one frame sees")
    batch_size: int = Field(description="most frames in one task")


class Endpoints(_Camel):
    token: str = "/token"
    websocket: str = "/ws"
    model_video: str = "/api/model-video/{model_name}"
    health: str = "/health"


class Config(_Camel):
    audio: AudioConfig
    models: list[str]
    openai_base_url: str = Field(alias="openai_base_url", description="of the speech service that /token is for")
    endpoints: Endpoints = Endpoints()


async def _health(call: Call) -> Response:
    gateway = call.gateway
    try:
        workers = await living(gateway.bus.redis)
        missing = missing_stages(workers)
    except BusError:
        workers, missing = [], ["redis"]
    backends = [_backend(worker) for worker in workers if worker.stage == "inference"]
    services = Services(
        openai_api="configured" if gateway.settings.openai_api_key else "not configured",
        frame_generator=f"missing: {', '.join(missing)}" if missing else "healthy",
        grpc_service="healthy" if backends else "unavailable",
    )
    health = Health(
        status="degraded" if missing else "healthy", timestamp=time.time(), services=services, healthy=bool(backends),
        total_backends=len(backends), healthy_count=len(backends), backends=backends,
    )  # fmt: skip
    return json_of(health, 200 if backends else 503)


def _backend(worker: WorkerReport) -> Backend:
    return Backend(
        address=f"{worker.host}:{worker.pid}", healthy=True, total_requests=worker.tasks, error_count=worker.dead
    )


async def _config(call: Call) -> Response:
    settings, avatars = call.gateway.settings, call.gateway.avatars
    manifest = next(iter(avatars.values())).manifest if avatars else None
    audio = AudioConfig(
        sample_rate=Start.model_fields["sample_rate"].default,
        chunk_duration=1000 / manifest.fps if manifest else 0.0,
        buffer_size=settings.audio_ring_frames,
        inference_frames=manifest.audio.window.length if manifest else 0,
        batch_size=settings.task_frames,
    )
    return json_of(Config(audio=audio, models=list(avatars), openai_base_url=settings.openai_base_url))


ENDPOINTS = (
    Endpoint("/health", _health, "The state of the services, as earlier clients ask for it.", Health,
             access=Access.PUBLIC),
    Endpoint("/config", _config, "Audio constants and models, as earlier clients ask for them.", Config,
             access=Access.PUBLIC),
)  # fmt: skip

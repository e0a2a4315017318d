"""For the machinery around the gateway: liveness, readiness, metrics."""

from typing import Literal

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

from common.errors import BusError
from gateway.http.endpoint import Access, Call, Endpoint, json_of
from gateway.http.workers import living, missing_stages


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """With status 503 while something is missing."""

    ready: bool
    missing: list[str]
    message: str | None = None


async def _healthz(_: Call) -> Alive:
    return Alive()


async def _readyz(call: Call) -> Response:
    try:
        missing = missing_stages(await living(call.gateway.bus.redis))
    except BusError as error:
        return json_of(Readiness(ready=False, missing=["redis"], message=error.message), 503)
    return json_of(Readiness(ready=not missing, missing=missing), 503 if missing else 200)


async def _metrics(call: Call) -> Response:
    return Response(generate_latest(call.gateway.metrics.registry), media_type=CONTENT_TYPE_LATEST)


ENDPOINTS = (
    Endpoint("/healthz", _healthz, "The process lives.", Alive, access=Access.PUBLIC),
    Endpoint("/readyz", _readyz, "Redis answers and every stage has a worker.", Readiness, access=Access.PUBLIC),
    Endpoint("/metrics", _metrics, "Prometheus metrics.", "text/plain", access=Access.PUBLIC),
)

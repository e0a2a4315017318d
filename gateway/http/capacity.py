"""`/api/capacity`: whether one more session would be let in, for clients and load balancers that ask first."""

from pydantic import BaseModel, Field
from starlette.responses import Response

from common.errors import LipstreamError
from gateway.admission import OverloadError
from gateway.http.endpoint import Access, Call, Endpoint, json_of
from gateway.http.errors import headers_of


class Capacity(BaseModel):
    """With status 503 and `Retry-After` while new sessions are refused."""

    admits: bool
    reason: str | None = Field(None, description="why not")
    sessions: int = Field(description="open at this gateway")
    sessions_max: int = Field(description="as many as it may have open")
    asked_fps: float = Field(description="frames a second that the sessions of all gateways ask for")
    usable_fps: float = Field(description="frames a second that may be asked for")
    measured: bool = Field(description="whether that was measured, or is a guess while nobody has spoken yet")
    oldest_task_ms: float = Field(description="age of the oldest task of any stage")
    retry_after_s: int | None = Field(None, description="when another try may succeed")


async def _capacity(call: Call) -> Response:
    gateway, refusal = call.gateway, None
    try:
        gateway.check_room()
    except OverloadError as error:
        refusal = error
    seen = gateway.admission
    capacity = Capacity(
        admits=refusal is None, reason=refusal and refusal.message, sessions=len(gateway.sessions),
        sessions_max=gateway.settings.max_sessions, asked_fps=seen.others_fps + gateway.asked_fps,
        usable_fps=round(seen.usable_fps(gateway.fps), 1), measured=seen.capacity_fps is not None,
        oldest_task_ms=round(seen.oldest_ms, 1),
        retry_after_s=refusal and refusal.retry_after_s,
    )  # fmt: skip
    response = json_of(capacity, 503 if refusal else 200)
    response.headers.update(_headers(refusal))
    return response


def _headers(refusal: LipstreamError | None) -> dict[str, str]:
    return {"Cache-Control": "no-store"} | (headers_of(refusal) if refusal else {})


ENDPOINTS = (
    Endpoint("/api/capacity", _capacity, "Whether one more session would be let in.", Capacity, access=Access.PUBLIC),
)

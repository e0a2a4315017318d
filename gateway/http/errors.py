"""Errors as HTTP answers: `{"error": {"code", "message", "retryable", ...}}` and the status that fits."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from common.background.queue import JobEndedError, UnknownJobError
from common.errors import BusError, CapacityError, InputError, LipstreamError, SettingsError
from common.places import StoreError
from gateway.doors.errors import AvatarForbiddenError, ForbiddenError, LimitError, UnauthorizedError

RETRY_AFTER_S: Final = 5


class NotFoundError(InputError):
    """The path names nothing that is here."""

    code = "not_found"


class TooLargeError(InputError):
    """The request's body is too long."""

    code = "too_large"


class ConflictError(LipstreamError):
    """What is asked for does not go together with what is going on."""

    code = "conflict"
    retryable = True


class UnavailableError(LipstreamError):
    """What is asked for needs something that is not there at the moment."""

    code = "unavailable"
    retryable = True


class UpstreamError(LipstreamError):
    """The speech service failed.

    Attributes
    ----------
    upstream_status : its HTTP status; None when it gave no answer at all.
    """

    code = "upstream_failed"

    def __init__(self, message: str, *, upstream_status: int | None, retryable: bool) -> None:
        super().__init__(message)
        self.upstream_status = upstream_status
        self.retryable = retryable

    def as_dict(self) -> dict[str, Any]:
        status = {} if self.upstream_status is None else {"upstream_status": self.upstream_status}
        return super().as_dict() | status


class UpstreamTimeoutError(UpstreamError):
    """The speech service did not answer in time."""

    code = "upstream_timeout"


STATUS: Final[Mapping[type[LipstreamError], int]] = {
    AvatarForbiddenError: 403,
    BusError: 503,
    CapacityError: 503,
    ConflictError: 409,
    ForbiddenError: 403,
    InputError: 400,
    JobEndedError: 409,
    LimitError: 429,
    LipstreamError: 500,
    NotFoundError: 404,
    SettingsError: 503,
    StoreError: 503,
    TooLargeError: 413,
    UnauthorizedError: 401,
    UnavailableError: 503,
    UnknownJobError: 404,
    UpstreamError: 502,
    UpstreamTimeoutError: 504,
}


class ErrorBody(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(description="stable, for programs")
    message: str = Field(description="for people; says what to do")
    retryable: bool = Field(description="whether the same request may succeed later")
    field: str | None = None
    limit: Any | None = None


class ErrorAnswer(BaseModel):
    """Every failure."""

    error: ErrorBody


def status_of(error: LipstreamError) -> int:
    """The status of the closest class that has one."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def headers_of(error: LipstreamError) -> dict[str, str]:
    """`Retry-After` where another try may help, `WWW-Authenticate` where a key is missing."""
    status = status_of(error)
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if status in (429, 503) and error.retryable:
        return {"Retry-After": str(getattr(error, "retry_after_s", RETRY_AFTER_S))}
    return {}


def answer(error: LipstreamError) -> JSONResponse:
    """The error as an HTTP answer."""
    return JSONResponse({"error": error.as_dict()}, status_of(error), headers_of(error))

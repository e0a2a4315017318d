"""One HTTP endpoint: what it is called, who may call it, what it takes and gives."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common.errors import InputError, LipstreamError
from gateway.context import Gateway
from gateway.doors.caller import Caller
from gateway.doors.errors import ForbiddenError, UnauthorizedError
from gateway.http.errors import TooLargeError, answer

log = logging.getLogger(__name__)

BODY_MAX_BYTES: Final = 65_536

_Model = TypeVar("_Model", bound=BaseModel)


class Access(StrEnum):
    """Who may call."""

    PUBLIC = "public"
    SESSION = "session"
    """Whoever may open a session: a key or a session token, where the gateway has keys."""
    ADMIN = "admin"
    """A key; where there is none, this machine."""


class Call(NamedTuple):
    """One request; `caller` is None on public endpoints."""

    gateway: Gateway
    request: Request
    caller: Caller | None


Handler = Callable[[Call], Awaitable[Response | BaseModel]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table; `body` and `response` are models, or the media type of what is no JSON."""

    path: str
    handler: Handler
    summary: str
    response: type[BaseModel] | str
    methods: tuple[str, ...] = ("GET",)
    access: Access = Access.SESSION
    query: type[BaseModel] | None = None
    body: type[BaseModel] | str | None = None


def route(gateway: Gateway, endpoint: Endpoint) -> Route:
    """The endpoint as Starlette takes it; errors become typed answers."""

    async def handle(request: Request) -> Response:
        try:
            caller = None if endpoint.access is Access.PUBLIC else _admit(gateway, request, endpoint.access)
            result = await endpoint.handler(Call(gateway, request, caller))
        except LipstreamError as error:
            return answer(error)
        except Exception:
            log.exception("%s %s failed", request.method, endpoint.path)
            return answer(LipstreamError("internal error; the server's log has the details"))
        return result if isinstance(result, Response) else json_of(result)

    return Route(endpoint.path, handle, methods=list(endpoint.methods))


def _admit(gateway: Gateway, request: Request, access: Access) -> Caller:
    caller = gateway.doors.recognise(request)
    if caller is None:
        raise UnauthorizedError("a key or session token is needed: Authorization: Bearer ...")
    if access is Access.ADMIN and not caller.admin:
        raise ForbiddenError("this takes an API key (LIPSTREAM_API_KEYS); a session token or none is not enough")
    return caller


def json_of(result: BaseModel, status: int = 200) -> JSONResponse:
    """A model as an answer; fields that are None are left out."""
    return JSONResponse(result.model_dump(mode="json", exclude_none=True, by_alias=True), status)


def read_query(model: type[_Model], request: Request) -> _Model:
    """The query string.

    Raises
    ------
    InputError
        A parameter is unknown, missing or out of range.
    """
    return _checked(model, dict(request.query_params))


async def read_body(model: type[_Model], request: Request) -> _Model:
    """The JSON body; an empty one is `{}`.

    Raises
    ------
    InputError, TooLargeError
        Not JSON, or a field is unknown, missing or out of range; longer than `BODY_MAX_BYTES`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            raise TooLargeError("the body is too long", field="body", limit=BODY_MAX_BYTES)
    try:
        content = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError("the body must be JSON", field="body") from error
    return _checked(model, content)


def _checked(model: type[_Model], content: object) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in fault["loc"])[:64] or "body"
        context = fault.get("ctx", {})
        limit = context.get("le", context.get("ge", context.get("pattern")))
        raise InputError(f"{field}: {fault['msg']}", field=field, limit=limit) from error

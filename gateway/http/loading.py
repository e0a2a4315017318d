"""Offering avatars to new sessions, and withdrawing them; workers load theirs by their own settings."""

import asyncio
import time

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from common.errors import LipstreamError
from gateway.context import Gateway
from gateway.http import files
from gateway.http.endpoint import Access, Call, Endpoint, json_of, read_body
from gateway.http.errors import ConflictError, UnavailableError, headers_of, status_of
from gateway.http.workers import living, missing_stages


class LoadRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_name: str
    package_path: str | None = Field(None, description="of earlier clients; never opened, the name alone counts")


class LoadAnswer(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    success: bool
    message: str
    model_name: str
    load_time_ms: float
    error: str | None = Field(None, description="code of what went wrong")


class LoadAllAnswer(BaseModel):
    success: bool
    loaded_count: int
    total_count: int
    models: list[str]
    message: str


async def _offer(gateway: Gateway, name: str) -> None:
    """Offer an avatar from now on.

    Raises
    ------
    NotFoundError, AvatarError, BusError, UnavailableError
        It is not there or broken; no worker of some stage has it.
    """
    avatar = await files.find(gateway, name)
    if missing := missing_stages(await living(gateway.bus.redis), name):
        stages = ", ".join(missing)
        raise UnavailableError(
            f"no {stages} worker has '{name}'; start them with it in LIPSTREAM_AVATARS", field="name"
        )
    gateway.avatars[name] = avatar


def _withdraw(gateway: Gateway, name: str) -> None:
    """Offer an avatar no longer.

    Raises
    ------
    NotFoundError, ConflictError
        It is not offered; sessions use it.
    """
    if name not in gateway.avatars:
        raise files.unknown(list(gateway.avatars))
    if users := gateway.sessions_with(name):
        raise ConflictError(f"{users} open sessions use '{name}'; end them first", field="name")
    del gateway.avatars[name]


async def _attempt(gateway: Gateway, name: str) -> tuple[LoadAnswer, LipstreamError | None]:
    started_s = time.perf_counter()
    failure: LipstreamError | None = None
    try:
        await _offer(gateway, name)
    except LipstreamError as error:
        failure = error
    answer = LoadAnswer(
        success=failure is None,
        message=failure.message if failure else f"{name} is offered to new sessions",
        model_name=name,
        load_time_ms=round((time.perf_counter() - started_s) * 1000, 3),
        error=failure.code if failure else None,
    )
    return answer, failure


async def _load(call: Call) -> Response:
    return await _answer(call.gateway, call.request.path_params["name"])


async def _load_named(call: Call) -> Response:
    return await _answer(call.gateway, (await read_body(LoadRequest, call.request)).model_name)


async def _answer(gateway: Gateway, name: str) -> Response:
    answer, failure = await _attempt(gateway, name[:64])
    response = json_of(answer, status_of(failure) if failure else 200)
    response.headers.update(headers_of(failure) if failure else {})
    return response


async def _load_all(call: Call) -> LoadAllAnswer:
    names = await asyncio.to_thread(files.installed, call.gateway)
    answers = [(await _attempt(call.gateway, name))[0] for name in names]
    loaded = [answer.model_name for answer in answers if answer.success]
    problems = [f"{answer.model_name}: {answer.message}" for answer in answers if not answer.success]
    return LoadAllAnswer(
        success=not problems,
        loaded_count=len(loaded),
        total_count=len(names),
        models=loaded,
        message="; ".join(problems) or f"{len(loaded)} avatars are offered to new sessions",
    )


async def _unload(call: Call) -> LoadAnswer:
    name = call.request.path_params["name"]
    _withdraw(call.gateway, name)
    return LoadAnswer(success=True, message=f"{name} is no longer offered", model_name=name, load_time_ms=0.0)


ENDPOINTS = (
    Endpoint("/api/models/load", _load_named, "Offer an avatar, in the shape of earlier servers.", LoadAnswer,
             ("POST",), Access.ADMIN, body=LoadRequest),
    Endpoint("/api/models/load-all", _load_all, "Offer every avatar that the workers have.", LoadAllAnswer,
             ("POST",), Access.ADMIN),
    Endpoint("/api/models/{name}/load", _load, "Offer an avatar to new sessions.", LoadAnswer, ("POST",), Access.ADMIN),
    Endpoint("/api/models/{name}/unload", _unload, "Offer it no longer; 409 while sessions use it.", LoadAnswer,
             ("POST",), Access.ADMIN),
)  # fmt: skip

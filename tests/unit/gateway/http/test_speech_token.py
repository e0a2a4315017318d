"""`/token` against a server that keeps the documented contract of the speech service."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.pipeline import free_port, until
from tests.unit.gateway.http.conftest import Opened

KEY = "sk-test-1234567890"
BEHAVIOUR: dict[str, Callable[[], Response]] = {
    "ok": lambda: JSONResponse(
        {"value": "ek_abc", "expires_at": 1_800_000_000, "session": {"object": "realtime.session", "id": "sess_1"}}
    ),
    "refused": lambda: JSONResponse(
        {"error": {"code": "invalid_api_key", "message": f"Incorrect API key provided: {KEY}"}}, 401
    ),
    "busy": lambda: JSONResponse({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}, 429),
    "broken": lambda: PlainTextResponse("oops", 500),
    "moved": lambda: Response(status_code=307, headers={"Location": "http://127.0.0.1:1/"}),
    "odd": lambda: JSONResponse({"client_secret": {"value": "ek_old"}}),
    "list": lambda: JSONResponse([1]),
}


class Service:
    """The speech service; `asked` is what it was sent."""

    def __init__(self) -> None:
        self.behaviour = "ok"
        self.asked: list[dict[str, Any]] = []

    async def secrets(self, request: Request) -> Response:
        if self.behaviour == "silent":
            await asyncio.sleep(5)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": {"code": "invalid_api_key"}}, 401)
        self.asked.append(json.loads(await request.body()))
        return BEHAVIOUR[self.behaviour]()


@pytest.fixture
async def service() -> AsyncIterator[tuple[Service, str]]:
    made, port = Service(), free_port()
    app = Starlette(routes=[Route("/v1/realtime/client_secrets", made.secrets, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield made, f"http://127.0.0.1:{port}"
    server.should_exit = server.force_exit = True
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_secret_comes_in_the_old_shape_and_the_new(
    opened: Opened, service: tuple[Service, str], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, url = service
    async with opened(openai_api_key=KEY, openai_base_url=url) as gateway:
        answer = await gateway.http.request(method, "/token", json={} if method == "POST" else None)
    content = answer.json()
    assert (content["value"], content["expires_at"]) == ("ek_abc", 1_800_000_000)
    assert content["client_secret"] == {"value": "ek_abc", "expires_at": 1_800_000_000}
    assert content["session"]["id"] == "sess_1"
    assert answer.headers["cache-control"] == "no-store"
    assert KEY not in answer.text + caplog.text


async def test_the_service_is_asked_for_a_session_of_these_settings(
    opened: Opened, service: tuple[Service, str]
) -> None:
    made, url = service
    settings = {"openai_model": "gpt-x", "openai_voice": "coral", "openai_instructions": "Be kind."}
    async with opened(openai_api_key=KEY, openai_base_url=url + "/", **settings) as gateway:
        await gateway.http.get("/token")
    pcm = {"type": "audio/pcm", "rate": 24_000}
    assert made.asked == [
        {
            "expires_after": {"anchor": "created_at", "seconds": 600},
            "session": {
                "type": "realtime",
                "model": "gpt-x",
                "instructions": "Be kind.",
                "output_modalities": ["audio"],
                "audio": {
                    "input": {"format": pcm, "turn_detection": {"type": "server_vad", "interrupt_response": True}},
                    "output": {"format": pcm, "voice": "coral"},
                },
            },
        }
    ]


@pytest.mark.parametrize(
    ("behaviour", "upstream", "retryable"),
    [
        ("refused", 401, False),
        ("busy", 429, True),
        ("broken", 500, True),
        ("moved", 307, False),
        ("odd", 200, False),
        ("list", 200, False),
    ],
)
async def test_a_failure_of_the_service_is_told_without_its_words(
    opened: Opened,
    service: tuple[Service, str],
    behaviour: str,
    upstream: int,
    retryable: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    made, url = service
    made.behaviour = behaviour
    async with opened(openai_api_key=KEY, openai_base_url=url) as gateway:
        answer = await gateway.http.get("/token")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (502, "upstream_failed")
    assert (error["upstream_status"], error["retryable"]) == (upstream, retryable)
    assert KEY not in answer.text + caplog.text


async def test_a_silent_service_is_given_up(opened: Opened, service: tuple[Service, str]) -> None:
    made, url = service
    made.behaviour = "silent"
    async with opened(openai_api_key=KEY, openai_base_url=url, openai_timeout_s=0.1) as gateway:
        answer = await gateway.http.get("/token")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")


async def test_a_service_that_is_not_there_is_told(opened: Opened, unused_tcp_port: int) -> None:
    async with opened(openai_api_key=KEY, openai_base_url=f"http://127.0.0.1:{unused_tcp_port}") as gateway:
        answer = await gateway.http.get("/token")
    assert (answer.status_code, answer.json()["error"]["retryable"]) == (502, True)
    assert KEY not in answer.text


async def test_without_a_key_the_answer_says_what_to_set(opened: Opened) -> None:
    async with opened() as gateway:
        answer = await gateway.http.get("/token")
    assert answer.status_code == 503
    assert "LIPSTREAM_OPENAI_API_KEY" in answer.json()["error"]["message"]
    assert "retry-after" not in answer.headers


async def test_secrets_count_as_starts(opened: Opened, service: tuple[Service, str]) -> None:
    _, url = service
    settings = {"openai_api_key": KEY, "openai_base_url": url, "api_keys": "app:app-secret-app-secret"}
    async with opened(**settings, starts_per_minute=1) as gateway:
        shown = {"Authorization": "Bearer app-secret-app-secret"}
        first, second = [await gateway.http.get("/token", headers=shown) for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 429)
    assert 55 <= int(second.headers["retry-after"]) <= 60

"""What the gateway refuses to start with, and how it is served."""

import logging
import socket
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common.errors import SettingsError
from common.settings import Settings
from gateway.main import configure, run


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_gateway_for_the_world_without_keys_does_not_start() -> None:
    with pytest.raises(SettingsError, match="LIPSTREAM_API_KEYS"):
        run(Settings(host="0.0.0.0"))


def test_a_gateway_that_is_open_to_all_says_so_loudly(taken_port: int, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SettingsError, match="cannot listen"):
        run(Settings(host="0.0.0.0", port=taken_port, open_to_all=True))
    (record,) = caplog.records
    assert (record.levelno, record.getMessage().startswith("OPEN TO ALL")) == (logging.WARNING, True)


@pytest.mark.parametrize(
    ("sender", "client"),
    [("127.0.0.1", "203.0.113.7"), ("::1", "203.0.113.7"), ("10.0.0.9", "10.0.0.9"), ("203.0.113.9", "203.0.113.9")],
)
async def test_only_this_machine_is_believed_when_it_says_for_whom_it_asks(
    sender: str, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    seen: list[Request] = []

    async def answer(request: Request) -> Response:
        seen.append(request)
        return Response()

    config = configure(Settings(), Starlette(routes=[Route("/", answer)]))
    config.load()
    transport = httpx.ASGITransport(config.loaded_app, client=(sender, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        await http.get("/", headers={"X-Forwarded-For": "203.0.113.7"})
    (request,) = seen
    assert request.client is not None
    assert request.client.host == client


def test_the_server_logs_no_messages_even_at_debug() -> None:
    levels = {level: configure(Settings(log_level=level), Starlette()).log_level for level in ("debug", "warning")}  # type: ignore[arg-type]
    assert levels == {"debug": "info", "warning": "warning"}

"""What the gateway refuses to start with, and how it is served."""

import logging
import socket
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette

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


def test_the_server_logs_no_messages_even_at_debug() -> None:
    levels = {level: configure(Settings(log_level=level), Starlette()).log_level for level in ("debug", "warning")}  # type: ignore[arg-type]
    assert levels == {"debug": "info", "warning": "warning"}

"""The gateway process."""

import logging
import os
import signal
import socket
import uuid

import uvicorn
import uvloop
from starlette.applications import Starlette

from common import keys
from common.avatars.registry import load_all
from common.errors import SettingsError
from common.garbage import spare_what_lasts
from common.logging import identify
from common.redis_address import url_of
from common.redis_client import check_server, close, connect, translated
from common.settings import Settings
from common.tls import server_context
from gateway.app import build
from gateway.bus import GatewayBus
from gateway.context import Gateway
from gateway.doors.doors import check as check_doors
from gateway.doors.sockets import BoundedWebSocket
from gateway.traces import check as check_traces

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1,::1"
"""Proxies here are believed when they say for whom they ask: unbelieved, all their clients would be this machine. No
other is, whatever the environment says: anybody could claim to be this machine."""
OVERSIZE_FACTOR = 4
"""Messages up to so many times the limit get a typed error; beyond that the socket is closed with 1009."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; blocking.

    Raises
    ------
    BusError
        Redis cannot be reached at start, is too old, or does not let us in.
    SettingsError
        The port is taken; the address is reachable from elsewhere and there are no keys; the certificate is none;
        traces are asked for and cannot be made.
    """
    check_doors(settings)
    server_context(settings)
    check_traces(settings)
    if settings.open_to_all:
        log.warning("OPEN TO ALL: everybody who reaches %s:%d may open sessions", settings.host, settings.port)
    check_port(settings.host, settings.port)
    uvloop.run(_run(settings))


def check_port(host: str, port: int) -> None:
    """Fail early and clearly when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port"
            raise SettingsError(message, field="port") from error


async def _run(settings: Settings) -> None:
    redis = connect(url_of(settings), block_ms=settings.block_ms)
    gateway_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    try:
        await check_server(redis)
        with translated():
            # To see at the start whether our user is a gateway's: no other may.
            await redis.get(keys.resume_secret())
        identify(gateway=gateway_id)
        gateway = Gateway(settings, load_all(settings), GatewayBus(redis, settings, gateway_id))
        server = uvicorn.Server(configure(settings, build(gateway)))
        for number in (signal.SIGTERM, signal.SIGINT):
            # After its goodbye the server raises the signal that ended it once more: that would look like a crash.
            signal.signal(number, lambda *_: None)
        spare_what_lasts()
        await server.serve()
    finally:
        await close(redis)


def configure(settings: Settings, app: Starlette) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        # Below info the server logs whole handshakes and messages, and with them keys and tokens.
        log_level="info" if settings.log_level == "debug" else settings.log_level,
        access_log=False,
        forwarded_allow_ips=LOOPBACK,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        ws=BoundedWebSocket,
        ws_max_size=settings.message_max_bytes * OVERSIZE_FACTOR,
        # JPEG does not get smaller, it only costs time.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
    )

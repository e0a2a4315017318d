"""`lipstream up`: Redis, every worker and the gateway on this machine, until Ctrl-C."""

import asyncio
import http.client
import json
import os
import signal
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count, repeat
from typing import Final

from pydantic import SecretStr
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from cli.embedded_redis import RedisServer, prepared
from cli.supervisor import Child, Log, Supervisor
from common.avatars.registry import load_all
from common.errors import BusError
from common.redis_address import parse, shown, url_of
from common.redis_client import check_server, close, connect
from common.settings import PREFIX, Settings
from common.tls import server_context
from gateway.doors import doors
from gateway.main import check_port

STAGES: Final = ("audio", "inference", "compositor")
_COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan", "bright_magenta")
_MODELS_MAX: Final = 4
"""Inference processes that are started unasked: each takes some 300 MB."""
_POLL_S: Final = 0.25
_REDIS_START_S: Final = 10.0
_REMIND_S: Final = 5.0


def up(settings: Settings, workers: int | None, console: Console) -> None:
    """Run everything; blocking, until SIGINT, SIGTERM or SIGHUP.

    `workers` is the number of processes of each stage; None leaves it to `workers_of`. Redis is an embedded one unless
    the settings name one.

    Raises
    ------
    SettingsError
        The port is taken, the certificate is none, or others than this machine would be served without a key.
    AvatarError, BusError
        An avatar cannot be loaded; Redis is missing, unreachable or too old. All of this before anything is started.
    LipstreamError
        A process cannot be kept running.
    """
    doors.check(settings)
    server_context(settings)
    check_port(settings.host, settings.port)
    load_all(settings)
    with ExitStack() as stack:
        own = None
        if "redis_url" not in settings.model_fields_set:
            own = stack.enter_context(prepared())
            settings = settings.model_copy(update={"redis_url": own.url})
        asyncio.run(_up(settings, workers, own, console))


async def _up(settings: Settings, workers: int | None, own: RedisServer | None, console: Console) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if own is None:
        await _redis_version(settings)
    children = children_of(settings, workers_of(settings, os.cpu_count() or 1, workers))
    log = prefixed(console, ["redis", *(child.name for child in children)])
    async with Supervisor(log) as supervisor:
        work = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(supervisor.until_failure()),
            asyncio.create_task(_bring_up(supervisor, settings, own, children, console)),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            console.print("stopping", style="dim")


async def _bring_up(
    supervisor: Supervisor, settings: Settings, own: RedisServer | None, children: Sequence[Child], console: Console
) -> None:
    """Start in order, say when all is ready, then stay."""
    if own is not None:
        supervisor.start(Child("redis", own.command))
    version = await _redis_version(settings, within_s=_REDIS_START_S)
    supervisor.start(*children)
    await _until_ready(settings, console)
    console.print(_panel(settings, f"{shown(settings.redis_url)}, version {version}"))
    await asyncio.Event().wait()


def workers_of(settings: Settings, cores: int, workers: int | None) -> dict[str, int]:
    """Processes of each stage: as many as asked for, else one, and on a CPU as many models as cores can run."""
    if workers is not None:
        return dict.fromkeys(STAGES, workers)
    models = 1 if settings.provider == "cuda" else min(_MODELS_MAX, max(1, cores // settings.model_threads))
    return dict.fromkeys(STAGES, 1) | {"inference": models}


def children_of(settings: Settings, workers: Mapping[str, int]) -> list[Child]:
    """The gateway, the workers of each stage and one of background jobs, all with exactly these settings.

    On a Redis Cluster there are no background jobs.
    """
    environment = environment_of(settings)
    ports = count(settings.metrics_port) if settings.metrics_port else repeat(0)
    # -P: the folder that the command is started in must not lend its own `cli` or `common`.
    lipstream = [sys.executable, "-P", "-u", "-m", "cli"]
    children = [Child("gateway", [*lipstream, "gateway"], environment)]
    for stage, number_of in workers.items():
        names = [stage] if number_of == 1 else [f"{stage}-{number}" for number in range(1, number_of + 1)]
        children += [
            Child(name, [*lipstream, "worker", stage], environment | {f"{PREFIX}METRICS_PORT": str(next(ports))})
            for name in names
        ]
    if parse(settings.redis_url).kind != "cluster":
        port = {f"{PREFIX}METRICS_PORT": str(next(ports))}
        children.append(Child("jobs", [*lipstream, "worker", "jobs"], environment | port))
    return children


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as the environment variables that give them back."""
    values = {name: value for name, value in settings.model_dump().items() if value is not None}
    return {f"{PREFIX}{name.upper()}": _as_text(value) for name, value in values.items()}


def _as_text(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case dict():
            return ",".join(f"{name}:{_as_text(part)}" for name, part in value.items())
        case tuple():
            return ",".join(value)
    return str(value)


def prefixed(console: Console, names: Sequence[str]) -> Log:
    """A log that puts each process' name, in its colour, before its lines."""
    width = max(map(len, names))
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}

    def log(name: str, line: str) -> None:
        prefix = (f"{name:<{width}} | ", colours[name])
        console.print(Text.assemble(prefix, Text.from_ansi(line)), soft_wrap=True, highlight=False)

    return log


async def _redis_version(settings: Settings, within_s: float = 0.0) -> str:
    redis, started_s = connect(url_of(settings)), time.monotonic()
    try:
        while True:
            try:
                return await check_server(redis)
            except BusError:
                if time.monotonic() - started_s >= within_s:
                    raise
            await asyncio.sleep(_POLL_S / 5)
    finally:
        await close(redis)


async def _until_ready(settings: Settings, console: Console) -> None:
    waited_s = 0.0
    where = local_host(settings.host), settings.port
    while (missing := await asyncio.to_thread(missing_parts, *where, tls=settings.tls_cert_file is not None)) != []:
        await asyncio.sleep(_POLL_S)
        waited_s += _POLL_S
        if waited_s % _REMIND_S == 0:
            console.print(f"waiting for {', '.join(missing)}", style="dim")


def missing_parts(host: str, port: int, *, tls: bool = False) -> list[str]:
    """What a gateway says is not ready yet; itself while it does not answer."""
    connection = _secured(host, port) if tls else http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        content = json.loads(answer.read())
        return [] if answer.status == http.HTTPStatus.OK else list(content["missing"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return ["gateway"]
    finally:
        connection.close()


def _secured(host: str, port: int) -> http.client.HTTPConnection:
    # It is our own child on this machine; the certificate has the name under which others know it.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=2, context=context)


def local_host(host: str) -> str:
    """The address under which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _panel(settings: Settings, redis: str) -> Panel:
    host = local_host(settings.host)
    address = f"{f'[{host}]' if ':' in host else host}:{settings.port}"
    secured = "s" if settings.tls_cert_file else ""
    rows = {
        "console": f"http{secured}://{address}",
        "WebSocket": f"ws{secured}://{address}/ws",
        "avatars": ", ".join(settings.avatars),
        "Redis": redis,
        "stop": "Ctrl-C",
    }
    text = Text("\n").join(Text.assemble((f"{name:<10} ", "dim"), (value, "bold")) for name, value in rows.items())
    return Panel(text, title="Lipstream is ready", border_style="green", expand=False)

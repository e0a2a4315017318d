"""A whole installation as in production.

Each process has its own user of Redis, every connection is over TLS with a private authority, and logs are JSON.
"""

import contextlib
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.authority import Authority
from tests.pipeline import free_port
from tests.secured import Secured, secured

STAGES = ("audio", "inference", "compositor")
WORKERS = (*STAGES, "jobs")
START_S = 120
STOP_S = 60
API_KEY = "an-api-key-of-an-application"
SECRETS = {
    "api_keys": f"app:{API_KEY}",
    "session_secret": "what-signs-the-tokens-of-sessions",
    "openai_api_key": "sk-of-the-speech-service",
}


class Installation(NamedTuple):
    """One that runs; processes and their logs by role."""

    port: int
    ca: Path
    redis: Secured
    processes: Mapping[str, "subprocess.Popen[bytes]"]
    logs: Mapping[str, Path]

    @property
    def ws(self) -> str:
        return f"wss://localhost:{self.port}"

    @property
    def http(self) -> str:
        return f"https://localhost:{self.port}"

    def records(self, role: str) -> list[dict[str, Any]]:
        """What a process has logged."""
        return [json.loads(line) for line in self.logs[role].read_text().splitlines()]

    def look(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A command of ours, run by a person with the operator's user."""
        operator = self.redis.users["operator"]
        environment = _environment(
            redis_url=self.redis.url, redis_ca_file=self.ca, redis_username=operator.name,
            redis_password=operator.password,
        )  # fmt: skip
        return subprocess.run([*CLI, *command], env=environment, capture_output=True, text=True, timeout=120)

    def stop(self) -> dict[str, int]:
        """Let all processes leave; their exit codes."""
        for process in self.processes.values():
            process.terminate()
        return {role: process.wait(STOP_S) for role, process in self.processes.items()}


CLI = (sys.executable, "-m", "cli")


@contextlib.contextmanager
def installation(folder: Path, root: Authority, avatars: Path) -> Iterator[Installation]:
    """One with the avatar `tiny`, ready to be spoken to."""
    own = root.sign("gateway")
    shared = {
        "avatars": "tiny", "avatars_dir": avatars, "redis_ca_file": root.file, "tls_cert_file": own.file,
        "tls_key_file": own.key, "log_format": "json", "log_level": "debug", "admit_by_load": False,
    }  # fmt: skip
    with secured(folder, root) as redis, contextlib.ExitStack() as stack:
        port, user = free_port(), redis.users["gateway"]
        shared |= {"jobs_url": folder / "jobs", "recordings_url": folder / "recordings", "recordings_keep_days": 30}
        logs = {role: folder / f"{role}.log" for role in ("gateway", *WORKERS)}
        settings: dict[str, dict[str, Any]] = {
            role: shared | {"redis_url": redis.url_of(role), "metrics_port": free_port()} for role in WORKERS
        }
        # An address that names no user, and the user beside it: the other way to say it.
        settings["gateway"] = shared | SECRETS | {
            "port": port, "redis_url": redis.url, "redis_username": user.name, "redis_password": user.password,
        }  # fmt: skip
        processes = {role: stack.enter_context(_running(role, logs[role], settings[role])) for role in logs}
        made = Installation(port, root.file, redis, processes, logs)
        _await_ready(made)
        yield made


@contextlib.contextmanager
def _running(role: str, log: Path, settings: Mapping[str, Any]) -> Iterator["subprocess.Popen[bytes]"]:
    arguments = [role] if role == "gateway" else ["worker", role]
    with log.open("w") as output:
        process = subprocess.Popen([*CLI, *arguments], stdout=output, stderr=output, env=_environment(**settings))
    try:
        yield process
    finally:
        process.kill()
        process.wait(STOP_S)


def _environment(**settings: Any) -> dict[str, str]:
    return os.environ | {f"LIPSTREAM_{name.upper()}": str(value) for name, value in settings.items()}


def _await_ready(made: Installation) -> None:
    trusted, give_up_s = ssl.create_default_context(cafile=made.ca), time.monotonic() + START_S
    while time.monotonic() < give_up_s and all(process.poll() is None for process in made.processes.values()):
        try:
            with urllib.request.urlopen(f"{made.http}/readyz", timeout=10, context=trusted):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    said = "\n".join(f"{role}: {log.read_text()[-2000:]}" for role, log in made.logs.items())
    raise RuntimeError(f"the installation is not ready\n{said}")

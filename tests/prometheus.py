"""A real Prometheus that a test starts: on a free port, with a configuration of the test's, gone afterwards."""

import asyncio
import math
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import yaml

from tests.missing import missing
from tests.pipeline import free_port

_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 20.0


def program(name: str) -> str:
    """Path of `prometheus` or `promtool`; without it, tests are skipped here and fail in CI."""
    found = shutil.which(name)
    if found is None:
        missing(f"no {name} on this machine: install Debian's package prometheus, as `make prometheus` does")
    return found


class Sample(NamedTuple):
    """One series of an answer, now."""

    labels: dict[str, str]
    value: float


class Prometheus(NamedTuple):
    """A running server."""

    url: str

    async def query(self, expression: str, at_s: float | None = None) -> list[Sample]:
        """What an expression gives, at a time in Unix seconds or now; numbers that are none are left out.

        Raises
        ------
        ValueError
            The expression cannot be evaluated.
        """
        time_of = {} if at_s is None else {"time": str(at_s)}
        found = await self._get("query", query=expression, **time_of)
        result = found["result"]
        if found["resultType"] == "scalar":
            result = [{"metric": {}, "value": result}]
        samples = (Sample(each["metric"], float(each["value"][1])) for each in result)
        return [sample for sample in samples if math.isfinite(sample.value)]

    async def numbers(self, expression: str, begin_s: float, end_s: float, step_s: float = 1.0) -> list[float]:
        """What an expression gave between two times in Unix seconds, all series together, as a graph shows it."""
        span = {"start": str(begin_s), "end": str(end_s), "step": str(step_s)}
        found = await self._get("query_range", query=expression, **span)
        numbers = [float(number) for series in found["result"] for _, number in series["values"]]
        return [number for number in numbers if math.isfinite(number)]

    async def value(self, expression: str, at_s: float | None = None) -> float | None:
        """Of an expression that gives at most one series."""
        samples = await self.query(expression, at_s)
        if len(samples) > 1:
            raise ValueError(f"{expression} gives {len(samples)} series")
        return samples[0].value if samples else None

    async def rules(self) -> list[Any]:
        """The alerts as the server sees them, each with `health`, `state` and `lastError`."""
        return [rule for group in (await self._get("rules"))["groups"] for rule in group["rules"]]

    async def targets(self) -> list[Any]:
        """What is scraped, each with `labels`, `health` and `lastError`."""
        return list((await self._get("targets"))["activeTargets"])

    async def _get(self, what: str, **asked: str) -> Any:
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20) as client:
            answer = (await client.get(f"{self.url}/api/v1/{what}", params=asked)).json()
        if answer["status"] != "success":
            raise ValueError(f"{asked}: {answer['error']}")
        return answer["data"]


@contextmanager
def started(folder: Path, configuration: dict[str, Any]) -> Iterator[Prometheus]:
    """A server with this configuration; it keeps its data in `folder`."""
    binary, port = program("prometheus"), free_port()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    command = [
        binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _await_ready(f"http://127.0.0.1:{port}", process, folder / "prometheus.log")
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_s = time.monotonic() + _START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < give_up_s:
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False, verify=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"Prometheus does not start:\n{log.read_text()[-3000:]}")


async def until_scraped(prometheus: Prometheus, targets: int, timeout_s: float = 30.0) -> None:
    """Wait until so many targets answer."""
    give_up_s = time.monotonic() + timeout_s
    while sum(target["health"] == "up" for target in await prometheus.targets()) < targets:
        if time.monotonic() > give_up_s:
            raise TimeoutError(str([(t["scrapeUrl"], t["lastError"]) for t in await prometheus.targets()]))
        await asyncio.sleep(0.1)

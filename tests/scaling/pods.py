"""Deployments played on this machine: each pod is the process that its container runs, probed and ended as written."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from common.settings import PREFIX
from tests.pipeline import free_port
from tests.unit.deploy.kustomize import Object
from tests.unit.deploy.manifests import environment, name_of, ours, pod_of

_LOOK_S: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1
_PORTS: Final = {"http": "PORT", "metrics": "METRICS_PORT"}
"""Named ports of the containers, and the settings that move them: pods here share one address."""
_ELSEWHERE: Final = ("API_KEYS", "SESSION_SECRET")
"""Of doors to a network; here everybody is on the gateway's own machine."""


@dataclass(slots=True, eq=False)
class Pod:
    """One process of a Deployment. Times are of the monotonic clock."""

    name: str
    deployment: Object
    ports: Mapping[str, int]
    log: Path
    process: asyncio.subprocess.Process
    ready: bool = False
    available: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has been ready for `minReadySeconds`."""
    ending_s: float | None = None
    """When it was told to end."""
    took_s: float = 0.0
    """From SIGTERM to its end."""
    overran: bool = False
    """It had to be killed at the end of its grace."""

    @property
    def of(self) -> str:
        """Its Deployment."""
        return name_of(self.deployment)

    @property
    def exit_code(self) -> int | None:
        return self.process.returncode


@dataclass(slots=True)
class Cluster:
    """The pods of an overlay.

    Attributes
    ----------
    settings : values that differ here from what the manifests say, by the setting's name.
    speed : what paces (probes, `minReadySeconds`) is so much faster; what bounds real work (a start, the grace) is not.
    ended : the pods that are no more.
    """

    overlay: str
    settings: Mapping[str, Any]
    folder: Path
    speed: float = 1.0
    running: list[Pod] = field(default_factory=list)
    ended: list[Pod] = field(default_factory=list)
    _made: int = 0
    _probing: dict[Pod, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def deployments(self) -> dict[str, Object]:
        return {name_of(each): each for each in ours(self.overlay)}

    def pods(self, deployment: str) -> list[Pod]:
        """Those that are not told to end yet, oldest first."""
        return [pod for pod in self.running if pod.of == deployment and pod.ending_s is None]

    def ending(self, deployment: str) -> list[Pod]:
        """Those that are told to and still run."""
        return [pod for pod in self.running if pod.of == deployment and pod.ending_s is not None]

    async def start(self, deployment: str) -> Pod:
        """One more pod, which is not ready yet."""
        said = self.deployments[deployment]
        container = pod_of(said)["containers"][0]
        ports = {port["name"]: free_port() for port in container["ports"]}
        self._made += 1
        name = f"{deployment}-{self._made}"
        log = self.folder / f"{name}.log"
        with log.open("w") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "cli", *container["args"],
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                env=os.environ | self._environment(container, ports),
                start_new_session=True, preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )  # fmt: skip
        pod = Pod(name, said, ports, log, process)
        self.running.append(pod)
        self._probing[pod] = asyncio.create_task(self._probe(pod))
        return pod

    async def end(self, pod: Pod) -> None:
        """Leave the Service, run `preStop`, SIGTERM, and at the end of the grace SIGKILL."""
        pod.ending_s = time.monotonic()
        said = pod_of(pod.deployment)
        before = said["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        # Proxies learn late: half of the time that the hook gives them is one in which they still send clients here.
        await asyncio.sleep(before / self.speed / 2)
        pod.ready = False
        await asyncio.sleep(before / self.speed / 2)
        told_s = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            pod.process.terminate()
        try:
            await asyncio.wait_for(pod.process.wait(), said["terminationGracePeriodSeconds"] - before)
        except TimeoutError:
            pod.overran = True
            await _kill(pod)
        pod.took_s = time.monotonic() - told_s
        self._probing.pop(pod).cancel()
        self.running.remove(pod)
        self.ended.append(pod)

    async def until_available(self, *pods: Pod, timeout_s: float = 120.0) -> None:
        """Wait; says why when a pod does not become so."""
        give_up_s = time.monotonic() + timeout_s
        while waiting := [pod for pod in pods if not pod.available.is_set()]:
            if time.monotonic() > give_up_s or any(pod.exit_code is not None for pod in waiting):
                logs = "\n".join(f"{pod.name}: {pod.log.read_text()[-2000:]}" for pod in waiting)
                raise RuntimeError(f"not available:\n{logs}")
            await asyncio.sleep(_LOOK_S)

    def _environment(self, container: Any, ports: Mapping[str, int]) -> dict[str, str]:
        values = environment(self.overlay, container)
        for name in _ELSEWHERE:
            values.pop(PREFIX + name, None)
        moved = {_PORTS[name]: port for name, port in ports.items()}
        here = {"HOST": "127.0.0.1", "PROVIDER": "cpu", **moved} | {k.upper(): v for k, v in self.settings.items()}
        return values | {PREFIX + name: _as_text(value) for name, value in here.items()}

    async def _probe(self, pod: Pod) -> None:
        """Startup until it succeeds, then readiness for ever, as the manifest says."""
        container = pod_of(pod.deployment)["containers"][0]
        startup, readiness = container["startupProbe"], container["readinessProbe"]
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            await _until_answered(client, pod, startup, self.speed)
            failures = 0
            while True:
                failures = 0 if await _answers(client, pod, readiness) else failures + 1
                if pod.ending_s is None:
                    pod.ready = failures < readiness["failureThreshold"]
                if pod.ready and not pod.available.is_set():
                    await asyncio.sleep(pod.deployment["spec"]["minReadySeconds"] / self.speed)
                    pod.available.set()
                await asyncio.sleep(readiness["periodSeconds"] / self.speed)


@contextlib.asynccontextmanager
async def cluster(overlay: str, settings: Mapping[str, Any], folder: Path, speed: float) -> AsyncIterator[Cluster]:
    """An overlay without pods; whatever runs at the end is ended at once."""
    made = Cluster(overlay, settings, folder, speed)
    try:
        yield made
    finally:
        for task in made._probing.values():
            task.cancel()
        await asyncio.gather(*made._probing.values(), return_exceptions=True)
        for pod in made.running:
            await _kill(pod)


def _as_text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


async def _until_answered(client: httpx.AsyncClient, pod: Pod, probe: Any, speed: float) -> None:
    while True:
        if await _answers(client, pod, probe):
            return
        await asyncio.sleep(probe["periodSeconds"] / speed)


async def _answers(client: httpx.AsyncClient, pod: Pod, probe: Any) -> bool:
    where = probe["httpGet"]
    url = f"http://127.0.0.1:{pod.ports[where['port']]}{where['path']}"
    try:
        return (await client.get(url, timeout=probe["timeoutSeconds"])).is_success
    except httpx.TransportError:
        return False


async def _kill(pod: Pod) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pod.process.pid, signal.SIGKILL)
    await pod.process.wait()


def _die_with_parent() -> None:
    """In the child: no pod outlives the test that started it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

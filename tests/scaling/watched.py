"""Prometheus beside a cluster; it scrapes what the ServiceMonitor and the PodMonitor name and holds the alert rules."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import yaml

from tests.prometheus import Prometheus, started
from tests.scaling.pods import Cluster, Pod
from tests.scaling.rules import duration, seconds
from tests.unit.deploy.manifests import labels_of, name_of, named, of_kind

_LOOK_S: Final = 0.05
_PODS: Final = "pods.json"
_JOB: Final = "__meta_job"
_GATEWAY: Final = "gateway"
_EVALUATION_S: Final = 30.0
"""How often the operator's Prometheus evaluates rules, unless told otherwise."""


@contextlib.asynccontextmanager
async def watched(cluster: Cluster, folder: Path) -> AsyncIterator[Prometheus]:
    """A server that knows the pods of the cluster as the operator's would, their comings and goings too."""
    with started(folder, configuration(cluster.overlay, cluster.speed, folder)) as prometheus:
        telling = asyncio.create_task(_tell(cluster, folder / _PODS))
        try:
            yield prometheus
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


def configuration(overlay: str, speed: float, folder: Path) -> dict[str, Any]:
    """What the operator makes of the monitors and of the rules; those go to a file in `folder`."""
    rules = named(overlay, "PrometheusRule", "lipstream")["spec"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    (gateways,) = of_kind(overlay, "ServiceMonitor")
    (workers,) = of_kind(overlay, "PodMonitor")
    jobs = {
        _GATEWAY: gateways["spec"]["endpoints"][0],
        f"{workers['metadata']['namespace']}/{name_of(workers)}": workers["spec"]["podMetricsEndpoints"][0],
    }
    return {
        "global": {"evaluation_interval": duration(_EVALUATION_S / speed)},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [_scraping(job, endpoint, speed, folder / _PODS) for job, endpoint in jobs.items()],
    }


def _scraping(job: str, endpoint: Any, speed: float, pods: Path) -> dict[str, Any]:
    return {
        "job_name": job,
        "metrics_path": endpoint["path"],
        "scrape_interval": duration(seconds(endpoint["interval"]) / speed),
        # As long as may be: answering takes as long as ever.
        "scrape_timeout": duration(min(seconds(endpoint["scrapeTimeout"]), seconds(endpoint["interval"]) / speed)),
        "file_sd_configs": [{"files": [str(pods)], "refresh_interval": "1s"}],
        "relabel_configs": [{"source_labels": [_JOB], "regex": job, "action": "keep"}],
    }


async def _tell(cluster: Cluster, file: Path) -> None:
    """Write down which pods there are whenever that changes."""
    told = None
    while True:
        now = [_target(cluster, pod) for pod in cluster.running]
        if now != told:
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(now))
            fresh.replace(file)
            told = now
        await asyncio.sleep(_LOOK_S)


def _target(cluster: Cluster, pod: Pod) -> dict[str, Any]:
    """A pod is found by itself where it has a port for that, else through its Service."""
    (monitor,) = of_kind(cluster.overlay, "PodMonitor")
    namespace = monitor["metadata"]["namespace"]
    labels = {"namespace": namespace, "pod": pod.name}
    if "metrics" not in pod.ports:
        return {"targets": [f"127.0.0.1:{pod.ports['http']}"], "labels": labels | {_JOB: _GATEWAY}}
    told = labels_of(pod.deployment)
    labels |= {_plain(name): told[name] for name in monitor["spec"]["podTargetLabels"] if name in told}
    job = f"{namespace}/{name_of(monitor)}"
    return {"targets": [f"127.0.0.1:{pod.ports['metrics']}"], "labels": labels | {_JOB: job}}


def _plain(label: str) -> str:
    """A label of Kubernetes as Prometheus spells it."""
    return re.sub(r"\W", "_", label)

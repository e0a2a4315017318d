"""The dashboard as Grafana asks for it, and the Prometheus of the compose file on this machine's targets."""

import json
import re
from copy import deepcopy
from typing import Any, Final, NamedTuple

import yaml

from tests.scaling.pods import Cluster
from tests.scaling.rules import duration, seconds
from tests.unit.deploy.manifests import ROOT

_SCRAPES_PER_RATE: Final = 4
"""Grafana's `$__rate_interval` on a range that is shown closely: so many scrape intervals."""


class Asked(NamedTuple):
    """One query of a panel."""

    panel: str
    legend: str
    query: str


def queries(scrape_s: float) -> list[Asked]:
    """All of the dashboard's, with Grafana's variables filled in."""
    panels = json.loads((ROOT / "deploy" / "grafana" / "lipstream.json").read_text())["panels"]
    interval = duration(_SCRAPES_PER_RATE * scrape_s)
    asked = [
        Asked(panel["title"], target["legendFormat"], target["expr"].replace("$__rate_interval", interval))
        for panel in panels
        for target in panel["targets"]
    ]
    if unknown := [each.query for each in asked if re.search(r"\$", each.query)]:
        raise ValueError(f"variables that are not filled in: {unknown}")
    return asked


def scrape_s(speed: float) -> float:
    """The interval of the compose file's Prometheus, `speed` times as fast."""
    return seconds(_shipped()["global"]["scrape_interval"]) / speed


def configuration(cluster: Cluster, speed: float) -> dict[str, Any]:
    """`deploy/prometheus/prometheus.yml`, with the pods that run here for its targets, and faster by a factor."""
    shipped = deepcopy(_shipped())
    shipped["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout"), duration(scrape_s(speed)))
    gateways, workers = shipped["scrape_configs"]
    gateways["static_configs"] = [{"targets": [f"127.0.0.1:{pod.ports['http']}" for pod in cluster.pods("gateway")]}]
    # DNS says by which name it found a container; the rest of the job goes by that.
    names = workers.pop("dns_sd_configs")[0]["names"]
    workers["static_configs"] = [
        {"targets": [f"127.0.0.1:{pod.ports['metrics']}"], "labels": {"__meta_dns_name": pod.of}}
        for pod in cluster.running
        if pod.of in names
    ]
    return shipped


def _shipped() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text()))

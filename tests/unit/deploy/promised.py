"""The series that gateways and workers export, and those that a text speaks of."""

import re
from dataclasses import asdict

from prometheus_client import CollectorRegistry

from common.telemetry import WorkerMetrics
from common.worker import Counters
from gateway.metrics import Metrics

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


def exported() -> set[str]:
    """Every series of Lipstream."""
    worker = WorkerMetrics("audio", lambda: asdict(Counters()))
    return _series(Metrics().registry) | _series(worker.registry)


def spoken_of(text: str) -> set[str]:
    """The series of Lipstream in a query; its own labels and the namespace are none."""
    return set(re.findall(r"\blipstream_[a-z_]+(?=[{\[ )])", text)) - {"lipstream_stage"}


def _series(registry: CollectorRegistry) -> set[str]:
    families = list(registry.collect())
    return {family.name + suffix for family in families for suffix in _SUFFIXES.get(family.type, ("",))}

"""docs/metrics.md names every metric, and no other."""

import re
from dataclasses import asdict
from pathlib import Path

from common.telemetry import WorkerMetrics
from common.worker import Counters
from gateway.metrics import Metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_names_every_metric_and_no_other() -> None:
    named = set(re.findall(r"lipstream_[a-z_]+", PAGE.read_text(encoding="utf-8")))
    worker = WorkerMetrics("audio", lambda: asdict(Counters()))
    families = [*Metrics().registry.collect(), *worker.registry.collect()]
    known = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert named == known

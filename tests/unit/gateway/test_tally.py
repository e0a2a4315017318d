"""A session's own numbers."""

from gateway.metrics import Metrics
from gateway.tally import Tally


def test_percentiles_need_two_frames() -> None:
    tally = Tally(Metrics())
    tally.latencies_ms.append(10)
    assert tally.latency() is None
    tally.latencies_ms.extend(range(11, 30))
    assert tally.latency() == {"p50": 19.5, "p95": 28.1}


def test_old_latencies_are_forgotten() -> None:
    tally = Tally(Metrics())
    tally.latencies_ms.extend(range(10_000))
    assert len(tally.latencies_ms) == 250

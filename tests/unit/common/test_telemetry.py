"""What a worker tells of itself over HTTP."""

from collections.abc import Iterator

import httpx
import pytest

from common.errors import SettingsError
from common.telemetry import State, WorkerMetrics, served
from tests.pipeline import free_port


@pytest.fixture
def metrics() -> WorkerMetrics:
    return WorkerMetrics("audio", lambda: {"frames": 42, "dead": 1})


def get(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}")


@pytest.fixture
def port(metrics: WorkerMetrics) -> Iterator[int]:
    port = free_port()
    with served(port, "127.0.0.1", metrics, lambda: State(lives=True, is_ready=False)):
        yield port


def test_prometheus_reads_totals_and_histograms_of_the_stage(port: int, metrics: WorkerMetrics) -> None:
    metrics.wait.observe(0.003)
    text = get(port, "/metrics").text
    assert 'lipstream_worker_frames_total{stage="audio"} 42.0' in text
    assert 'lipstream_worker_dead_total{stage="audio"} 1.0' in text
    assert 'lipstream_task_wait_seconds_bucket{le="0.005",stage="audio"} 1.0' in text


def test_a_worker_may_live_and_not_be_ready(port: int) -> None:
    assert get(port, "/healthz").status_code == 200
    assert get(port, "/readyz").status_code == 503


def test_there_is_nothing_else(port: int) -> None:
    assert get(port, "/").status_code == 404


def test_a_port_that_is_taken_is_named(port: int, metrics: WorkerMetrics) -> None:
    with (
        pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}"),
        served(port, "127.0.0.1", metrics, lambda: State(lives=True, is_ready=True)),
    ):
        pytest.fail("the port is taken")


def test_port_0_answers_nowhere(metrics: WorkerMetrics) -> None:
    with served(0, "127.0.0.1", metrics, lambda: State(lives=True, is_ready=True)):
        pass

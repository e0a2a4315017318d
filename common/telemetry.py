"""What a worker tells Prometheus and its orchestrator: `/metrics`, `/healthz` and `/readyz`, on a port of its own."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, Summary, generate_latest
from prometheus_client.core import CounterMetricFamily

from common.errors import SettingsError

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

Counts = Callable[[], dict[str, float]]


class State(NamedTuple):
    """Whether the process is worth keeping, and whether it works."""

    lives: bool
    is_ready: bool


@dataclass(slots=True, eq=False)
class WorkerMetrics:
    """A worker's collectors, in a registry of their own; `counts` gives its running totals by name."""

    stage: str
    counts: Counts
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    wait: Histogram = field(init=False)
    batch: Histogram = field(init=False)
    work: Histogram = field(init=False)
    publish: Histogram = field(init=False)
    load: Summary = field(init=False)

    def __post_init__(self) -> None:
        make = partial(self._histogram, buckets=_SECONDS)
        self.wait = make("lipstream_task_wait_seconds", "From being put on the stream to the beginning of work")
        self.work = make("lipstream_batch_work_seconds", "The stage's function, a batch")
        self.publish = make("lipstream_batch_publish_seconds", "Publishing the results of a batch")
        self.batch = self._histogram("lipstream_batch_tasks", "Tasks that were taken together", buckets=_BATCH)
        self.load = Summary(
            "lipstream_model_load_seconds", "Loading an avatar's models", ["avatar", "provider"], registry=self.registry
        )
        self.registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The running totals, as Prometheus asks for them."""
        for name, value in self.counts().items():
            family = CounterMetricFamily(f"lipstream_worker_{name}", f"{name} since the worker began", labels=["stage"])
            family.add_metric([self.stage], value)
            yield family

    def _histogram(self, name: str, text: str, *, buckets: tuple[float, ...]) -> Histogram:
        made = Histogram(name, text, ["stage"], buckets=buckets, registry=self.registry)
        return made.labels(self.stage)


@contextlib.contextmanager
def served(
    port: int, host: str, metrics: WorkerMetrics, state: Callable[[], State], tls: ssl.SSLContext | None = None
) -> Iterator[None]:
    """Answer on a port, in a thread, until the block ends; port 0 answers nowhere, `tls` makes it https.

    Raises
    ------
    SettingsError
        The port is taken.
    """
    if port == 0:
        yield
        return
    pages: dict[str, Callable[[], tuple[bool, bytes]]] = {
        "/metrics": lambda: (True, generate_latest(metrics.registry)),
        "/healthz": lambda: _word(state().lives),
        "/readyz": lambda: _word(state().is_ready),
    }
    try:
        server = ThreadingHTTPServer((host, port), partial(_Handler, pages))
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise SettingsError(message, field="metrics_port") from error
    if tls is not None:
        # Not in `accept`, where one that never says a word would keep all others waiting.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _word(well: bool) -> tuple[bool, bytes]:
    return well, b"ok\n" if well else b"not ok\n"


class _Handler(BaseHTTPRequestHandler):
    """Of a class because the standard library's server asks for one."""

    timeout = 5

    def __init__(self, pages: dict[str, Callable[[], tuple[bool, bytes]]], *arguments: Any) -> None:
        self._pages = pages
        super().__init__(*arguments)

    def do_GET(self) -> None:
        page = self._pages.get(self.path.partition("?")[0])
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        well, body = page()
        self.send_response(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST if self.path.startswith("/metrics") else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:
        """Probes come every few seconds."""

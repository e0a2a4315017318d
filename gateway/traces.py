"""OpenTelemetry traces of some sessions: a task's way through the stages, from the timings that come with its notice.

Nothing is carried through the stages for it, and workers know nothing of it: off, it costs nothing, not even an import.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from common.clock import steady_ms
from common.contracts import Notice
from common.errors import SettingsError
from common.settings import Settings
from gateway.metrics import parse_timings

Trace = Callable[[Notice], None]
_EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"
ANSWER_S: Final = 2.0
"""A collector may take so long; at its end a gateway has little time."""
_PATH: Final = "/v1/traces"
_NS_PER_MS: Final = 1_000_000


class Passage(NamedTuple):
    """A stage's part of a task's way, Unix milliseconds: put on the stage's stream, taken by a worker, done."""

    stage: str
    put_ms: float
    taken_ms: float
    done_ms: float


def check(settings: Settings) -> None:
    """Fail early and clearly where traces are asked for and cannot be made.

    Raises
    ------
    SettingsError
        A collector is named and the extra `tracing` is not installed.
    """
    if settings.otel_endpoint is not None and not _is_installed():
        message = "otel_endpoint: traces need the extra `tracing`: pip install 'lipstream[tracing]'"
        raise SettingsError(message, field="otel_endpoint")


@contextmanager
def tracing(settings: Settings) -> Iterator[Trace | None]:
    """What takes the notices of all sessions; None where no collector is named. What is left is sent at the end."""
    if settings.otel_endpoint is None:
        yield None
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = Resource.create({"service.name": "lipstream", "service.version": version("lipstream")})
    provider = TracerProvider(resource=about)
    # In a thread of its own, from a queue that is bounded: a collector that is away costs spans and nothing else.
    exporter = OTLPSpanExporter(settings.otel_endpoint.rstrip("/") + _PATH, timeout=ANSWER_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield tracer(provider, settings.otel_share)
    finally:
        provider.shutdown()


def _is_installed() -> bool:
    try:
        return find_spec(_EXPORTER) is not None
    except ModuleNotFoundError:  # not even the packages around it
        return False


def tracer(provider: Any, share: float) -> Trace:
    """Takes notices, and hands on the spans of those whose sessions are among the share."""
    made = provider.get_tracer("lipstream")

    def trace(notice: Notice) -> None:
        if is_sampled(notice.session, share):
            _record(made, notice, steady_ms())

    return trace


def is_sampled(session: str, share: float) -> bool:
    """Whether a session is among the share: at every gateway the same."""
    return zlib.crc32(session.encode()) < share * 2**32


def passages(notice: Notice, now_ms: float) -> list[Passage]:
    """The stages of a task whose notice has come now, back to back; what lies before the first is the gateway's."""
    found: list[Passage] = []
    done_ms = now_ms
    for stage, (wait_ms, work_ms) in reversed(parse_timings(notice.timings).items()):
        taken_ms = done_ms - work_ms
        found.append(Passage(stage, taken_ms - wait_ms, taken_ms, done_ms))
        done_ms = taken_ms - wait_ms
    return found[::-1]


def _record(made: Any, notice: Notice, now_ms: float) -> None:
    """One trace a task: its whole way since its last sample came, and under it a span a stage."""
    from opentelemetry.trace import StatusCode, set_span_in_context

    facts = {
        "lipstream.session": notice.session, "lipstream.epoch": notice.epoch, "lipstream.frame": notice.first,
        "lipstream.frames": notice.count,
    }  # fmt: skip
    whole = made.start_span("frames", attributes=facts, start_time=_ns(notice.ingest_ms))
    for stage, put_ms, taken_ms, done_ms in passages(notice, now_ms):
        span = made.start_span(stage, set_span_in_context(whole), attributes=facts, start_time=_ns(put_ms))
        span.set_attribute("lipstream.wait_ms", round(taken_ms - put_ms, 1))
        span.add_event("taken", timestamp=_ns(taken_ms))
        span.end(_ns(done_ms))
    if notice.lost:
        whole.set_status(StatusCode.ERROR, notice.lost)
    whole.end(_ns(now_ms))


def _ns(unix_ms: float) -> int:
    return round(unix_ms * _NS_PER_MS)

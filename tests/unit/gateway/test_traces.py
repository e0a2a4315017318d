"""Which sessions are traced, which spans a task becomes, and that they reach a collector."""

import subprocess
import sys
from importlib import util

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from common.clock import steady_ms
from common.contracts import Notice
from common.errors import SettingsError
from common.settings import Settings
from gateway.traces import Passage, check, is_sampled, passages, tracer, tracing
from tests.collector import collecting

TIMINGS = "audio=1.0/2.0,inference=10.0/20.0,compositor=3.0/4.0"


def notice(session: str = "0123456789abcdef", lost: str = "") -> Notice:
    return Notice(
        session=session, epoch=2, first=40, count=8, ingest_ms=steady_ms() - 50, timings=TIMINGS, lost=lost
    )  # fmt: skip


def test_stages_stand_back_to_back_before_the_moment_at_which_the_frames_came() -> None:
    assert passages(notice(), 1_000.0) == [
        Passage("audio", 960.0, 961.0, 963.0),
        Passage("inference", 963.0, 973.0, 993.0),
        Passage("compositor", 993.0, 996.0, 1_000.0),
    ]


def test_a_task_is_one_trace_with_a_span_a_stage() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    sent = notice()
    tracer(provider, 1.0)(sent)
    *stages, whole = kept.get_finished_spans()
    assert [span.name for span in stages] == ["audio", "inference", "compositor"]
    assert whole.attributes == {
        "lipstream.session": sent.session, "lipstream.epoch": 2, "lipstream.frame": 40, "lipstream.frames": 8,
    }  # fmt: skip
    assert whole.start_time == round(sent.ingest_ms * 1e6)
    assert {span.parent and span.parent.span_id for span in stages} == {whole.context.span_id}
    assert {span.context.trace_id for span in stages} == {whole.context.trace_id}
    assert [(span.attributes or {})["lipstream.wait_ms"] for span in stages] == [1.0, 10.0, 3.0]
    assert [round(((span.end_time or 0) - (span.start_time or 0)) / 1e6) for span in stages] == [3, 30, 7]


def test_frames_that_never_come_are_an_error_with_its_reason() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer(provider, 1.0)(notice(lost="inference: no such avatar"))
    whole = kept.get_finished_spans()[-1]
    assert (whole.status.is_ok, whole.status.description) == (False, "inference: no such avatar")


def test_a_share_of_the_sessions_is_traced_and_each_wholly_or_not_at_all() -> None:
    sessions = [f"{number:032x}" for number in range(4_000)]
    traced = [session for session in sessions if is_sampled(session, 0.25)]
    assert 0.2 < len(traced) / len(sessions) < 0.3
    assert all(is_sampled(session, 0.5) for session in traced)
    assert not any(is_sampled(session, 0.0) for session in sessions)
    assert all(is_sampled(session, 1.0) for session in sessions)


def test_what_is_left_reaches_the_collector_at_the_end() -> None:
    with collecting() as collector:
        with tracing(Settings(otel_endpoint=f"{collector.url}/", otel_share=1.0)) as trace:
            assert trace is not None
            trace(notice())
        (request,) = collector.requests
        (sent,) = request.resource_spans
        about = {each.key: each.value.string_value for each in sent.resource.attributes}
        assert about["service.name"] == "lipstream"
        assert [span.name for span in collector.spans] == ["audio", "inference", "compositor", "frames"]


def test_without_a_collector_nothing_is_traced_and_nothing_imported() -> None:
    with tracing(Settings()) as trace:
        assert trace is None
    # Parts of OpenTelemetry are imported by redis-py where it is installed.
    code = "import sys, gateway.main; sys.exit(len(sys.modules.keys() & {'opentelemetry.sdk.trace', 'requests'}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_traces_without_their_packages_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    check(Settings(otel_endpoint="http://collector:4318"))

    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("gateway.traces.find_spec", absent)
    check(Settings())
    with pytest.raises(SettingsError, match=r"pip install 'lipstream\[tracing\]'"):
        check(Settings(otel_endpoint="http://collector:4318"))
    assert util.find_spec("opentelemetry") is not None

"""The way of a session's tasks through a running pipeline, as a collector gets to know it."""

from pathlib import Path

from tests.collector import collecting, facts_of
from tests.pipeline import running
from tests.speech import RATE_HZ, speechlike, stream

STAGES = {"audio", "inference", "compositor"}


async def test_every_task_of_a_traced_session_has_a_span_a_stage(redis_server: str, avatars_folder: Path) -> None:
    with collecting() as collector:
        async with running(redis_server, avatars_folder, otel_endpoint=collector.url, otel_share=1.0) as pipeline:
            frames = await stream(pipeline, "tiny", speechlike(RATE_HZ))
        whole = [span for span in collector.spans if span.name == "frames"]
    assert sum(facts_of(span)["lipstream.frames"] for span in whole) == len(frames)
    assert len({facts_of(span)["lipstream.session"] for span in whole}) == 1
    for task in whole:
        parts = [span for span in collector.spans if span.parent_span_id == task.span_id]
        assert {span.name for span in parts} == STAGES
        assert all(task.start_time_unix_nano <= span.start_time_unix_nano for span in parts)
        assert max(span.end_time_unix_nano for span in parts) == task.end_time_unix_nano


async def test_sessions_outside_the_share_send_nothing(redis_server: str, avatars_folder: Path) -> None:
    with collecting() as collector:
        async with running(redis_server, avatars_folder, otel_endpoint=collector.url, otel_share=0.0) as pipeline:
            await stream(pipeline, "tiny", speechlike(RATE_HZ // 5))
        assert collector.spans == []


async def test_a_collector_that_is_away_costs_no_frame(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder, otel_endpoint="http://127.0.0.1:9", otel_share=1.0) as pipeline:
        assert len(await stream(pipeline, "tiny", speechlike(RATE_HZ // 5))) == 5

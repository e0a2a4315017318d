"""How a session's totals get into the gateway's metrics."""

from common.avatars.package import Avatar
from common.settings import Settings
from gateway.metrics import Metrics
from gateway.totals import Counted, held, observe_rings
from tests.unit.gateway.driven import SECOND, core, finished, run_pipeline, tasks

FATES = ("frames_on_time", "frames_late", "frames_skipped", "frames_concealed")


def told(metrics: Metrics, *names: str) -> list[float | None]:
    return [metrics.registry.get_sample_value(f"lipstream_{name}_total") for name in names]


def test_every_frame_that_is_due_is_on_time_or_late_and_counted_once(tiny_avatar: Avatar) -> None:
    session, counted = core(tiny_avatar), Counted(Metrics())
    todo = tasks(session.audio(SECOND, 0) + session.flush(0))
    session.arrived(finished(todo[0]), 0)
    counted.count(session)
    session.tick(2_001)
    counted.count(session)
    counted.count(session)
    assert told(counted.metrics, *FATES) == [todo[0].count, 25 - todo[0].count, 0, 25 - todo[0].count]


def test_a_skipped_frame_is_not_late_although_it_is_concealed(tiny_avatar: Avatar) -> None:
    session, counted = core(tiny_avatar, skip_after_ms=1_000, deadline_ms=10_000), Counted(Metrics())
    asked = tasks(session.audio(SECOND, 0))
    session.flush(5_000)
    for task in asked:
        session.arrived(finished(task), 5_000)
    counted.count(session)
    on_time, late, skipped, concealed = told(counted.metrics, *FATES)
    assert on_time == sum(task.count for task in asked)
    assert (late, skipped, concealed) == (0, session.skipped, session.skipped)
    assert session.skipped > 0


def test_frames_that_will_never_come_are_late(tiny_avatar: Avatar) -> None:
    session, counted = core(tiny_avatar), Counted(Metrics())
    session.audio(SECOND, 0)
    session.give_up(range(2), 0)
    counted.count(session)
    assert told(counted.metrics, "frames_late") == [2]


def test_every_barge_in_begins_an_epoch(tiny_avatar: Avatar) -> None:
    session, counted = core(tiny_avatar), Counted(Metrics())
    for _ in range(2):
        session.audio(SECOND, 0)
        session.clear()
        counted.count(session)
    assert told(counted.metrics, "epochs") == [2]


def test_a_session_that_goes_on_brings_nothing_that_was_counted_elsewhere(tiny_avatar: Avatar) -> None:
    session, here = core(tiny_avatar), Counted(Metrics())
    session.audio(SECOND, 0)
    session.clear()
    session.audio(SECOND, 0)
    session.tick(2_001)
    here.go_on(session)
    here.count(session)
    assert told(here.metrics, "epochs", *FATES) == [0] * 5
    session.clear()
    here.count(session)
    assert told(here.metrics, "epochs", *FATES) == [1] + [0] * 4


def test_the_rings_hold_what_has_not_left(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    assert held(session) == (0, 0)
    actions = session.audio(SECOND, 0)
    assert held(session).audio == 25
    assert held(session).pictures == sum(task.count for task in tasks(actions)) > 0
    run_pipeline(session, actions + session.flush(0))
    assert held(session) == (0, 0)


def test_only_sessions_with_frames_to_come_tell_of_their_rings(tiny_avatar: Avatar) -> None:
    session, metrics = core(tiny_avatar), Metrics()
    settings = Settings(audio_ring_frames=250, frame_ring_slots=64)

    def fill(ring: str, what: str) -> float | None:
        return metrics.registry.get_sample_value(f"lipstream_ring_fill_ratio_{what}", {"ring": ring})

    observe_rings(metrics, session, settings)
    assert fill("audio", "count") == 0
    session.audio(SECOND, 0)
    observe_rings(metrics, session, settings)
    assert (fill("audio", "count"), fill("audio", "sum")) == (1, 0.1)
    assert fill("frame", "sum") == held(session).pictures / 64

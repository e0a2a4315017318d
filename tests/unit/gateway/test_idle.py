"""When an idle frame is due."""

from common.avatars.package import Avatar
from gateway.idle import IdleClock, lead_frames


def shown_at(clock: IdleClock, times_ms: range) -> list[int]:
    return [now_ms for now_ms in times_ms if clock.take(25, now_ms)]


def test_idle_frames_come_at_the_frame_rate_however_often_one_looks() -> None:
    assert shown_at(IdleClock(), range(0, 200, 3)) == [0, 42, 81, 120, 162]


def test_a_speech_frame_has_its_time_before_an_idle_one_follows() -> None:
    clock = IdleClock()
    clock.speech(25, 1_000)
    assert shown_at(clock, range(1_000, 1_100, 10)) == [1_040, 1_080]


def test_after_a_stall_no_burst_makes_up_for_it() -> None:
    clock = IdleClock()
    assert clock.take(25, 0)
    assert shown_at(clock, range(1_000, 1_080)) == [1_000, 1_001, 1_040]


def test_speech_of_an_avatar_that_looks_further_ahead_takes_over_later(
    tiny_avatar: Avatar, reference_avatar: Avatar
) -> None:
    assert lead_frames(reference_avatar.manifest) > lead_frames(tiny_avatar.manifest) > 0

"""The segments under way, and where the next one begins."""

from common.avatars.package import Avatar
from gateway.segmenter import Heard, Segment
from gateway.segments import Segments

SECOND = b"\0\0" * 16_000


def spoken(segments: Segments, avatar: Avatar, lead_frames: int = 0) -> Segment:
    """A second of speech, heard to its end."""
    segment = segments.open(avatar.manifest, Heard(), lead_frames, 0)
    segment.push(SECOND)
    segments.close(Heard(16_000, 1))
    return segment


def test_each_segment_begins_where_the_one_before_ends(tiny_avatar: Avatar) -> None:
    segments = Segments(16_000)
    first, second = spoken(segments, tiny_avatar), spoken(segments, tiny_avatar)
    assert [(s.number, s.base, s.template) for s in (first, second)] == [(0, 0, 0), (1, 25, 25)]
    assert (segments.count, segments.base, segments.position) == (2, 50, 50)


def test_only_the_newest_takes_audio_and_only_until_it_is_closed(tiny_avatar: Avatar) -> None:
    segments = Segments(16_000)
    assert not segments.is_open
    segments.open(tiny_avatar.manifest, Heard(), 0, 0)
    assert segments.is_open
    segments.close(Heard())
    assert not segments.is_open


def test_the_clients_template_index_holds_once_and_goes_before_the_idle_loops_lead(tiny_avatar: Avatar) -> None:
    segments = Segments(16_000)
    segments.begin = 70
    assert [spoken(segments, tiny_avatar, lead_frames=5).template for _ in range(2)] == [70, 70 + 25 + 5]


def test_a_segment_is_under_way_until_its_last_frame_has_left(tiny_avatar: Avatar) -> None:
    segments = Segments(16_000)
    first, second = spoken(segments, tiny_avatar), spoken(segments, tiny_avatar)
    open_one = segments.open(tiny_avatar.manifest, Heard(), 0, 0)
    assert segments.leave(24) == []
    assert segments.leave(25) == [first]
    assert segments.leave(10**6) == [second]
    assert list(segments) == [open_one]


def test_frames_that_are_found_need_no_work_up_to_the_first_that_lacks(tiny_avatar: Avatar) -> None:
    segments = Segments(16_000)
    spoken(segments, tiny_avatar)
    spoken(segments, tiny_avatar)
    assert segments.owed() == list(range(50))
    assert segments.skip_found({0, 1, 3, 25}) == [0, 1, 25]
    assert segments.owed() == [*range(2, 25), *range(26, 50)]
    assert segments.unpublished == 47


def test_audio_counts_as_unpublished_until_its_frame_is_in_a_task(tiny_avatar: Avatar) -> None:
    segments = Segments(16_000)
    segment = spoken(segments, tiny_avatar)
    assert segments.unpublished_samples == 16_000
    segment.published = 10
    assert segments.unpublished_samples == 16_000 - 10 * 640


def test_no_number_that_an_old_task_may_carry_is_used_again(tiny_avatar: Avatar) -> None:
    segments = Segments(16_000)
    segments.open(tiny_avatar.manifest, Heard(), 0, 0).push(SECOND)
    segments.void()
    assert not segments
    assert spoken(segments, tiny_avatar).base == 25
    assert segments.count == 2, "nor is its segment's"


def test_the_awaited_avatar_comes_when_nothing_is_under_way_and_its_loop_begins_anew(
    tiny_avatar: Avatar, reference_avatar: Avatar
) -> None:
    segments, old, new = Segments(16_000), tiny_avatar.manifest, reference_avatar.manifest
    assert segments.following(old) is None
    spoken(segments, tiny_avatar)
    segments.awaited, segments.begin = new, 9
    assert segments.following(old) is None
    segments.leave(25)
    assert segments.following(old) == (new, 25)
    assert segments.position == 0
    assert segments.following(new) is None
    assert spoken(segments, reference_avatar).template == 0, "the index was one of the old loop"

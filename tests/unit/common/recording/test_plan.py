"""What must be said so that the pictures come out again."""

from common.recording.plan import Audio, Begin, Clear, Flush, Step, Switch, plan
from common.recording.recording import Key, read
from common.recording.records import Input, Record, Segment
from tests.unit.common.recording.small import DIGEST, audio, barge_in, file_of, header


def steps(*records: Record) -> list[Step]:
    return list(plan(read([file_of(*records)])))


def said(found: list[Step]) -> list[str]:
    return [type(step).__name__ for step in found]


def samples(found: list[Step]) -> list[int]:
    pcm = b"".join(step.pcm for step in found if isinstance(step, Audio))
    return [int.from_bytes(pcm[k : k + 2], "little") for k in range(0, len(pcm), 2)]


def test_segments_begin_where_they_began_and_a_pause_is_a_flush() -> None:
    found = steps(*barge_in())
    assert said(found) == ["Begin", "Audio", "Audio", "Clear", "Begin", "Audio", "Flush"]
    assert samples(found) == list(range(9_600))
    assert found[0] == Begin(0, 0, 0, 7)
    assert found[3] == Clear(400, 0, Key(0, 0, 2))
    assert found[4] == Begin(500, 1, 6_400, 3)


def test_a_barge_in_at_frame_0_names_that_frame() -> None:
    records = [*barge_in()[:8], Input(400, "clear", 6_400, 0, 0)]
    assert steps(*records)[-1] == Clear(400, 0, Key(0, 0, 0))
    records[-1] = Input(400, "clear", 6_400, 0)
    assert steps(*records)[-1] == Clear(400, 0, None)


def test_segments_that_meet_within_a_message_cut_it() -> None:
    found = steps(
        header(), audio(0, 3_000), Segment(0, 0, "tiny", 0, 0, 0, 1_000), Segment(0, 1, "tiny", 2, 9, 1_000, 2_500)
    )
    assert [len(step.pcm) // 2 if isinstance(step, Audio) else type(step).__name__ for step in found] == [
        "Begin", 1_000, "Flush", "Begin", 1_500, "Flush", 500,
    ]  # fmt: skip
    assert samples(found) == list(range(3_000))


def test_a_switch_ends_the_segment_by_itself() -> None:
    other = DIGEST | {"avatar": "other"}
    found = steps(
        header(), audio(0, 1_000), Segment(0, 0, "tiny", 0, 0, 0), Input(50, "switch", 1_000, 0, other),
        audio(1_000, 1_000, commands=1), Segment(0, 1, "other", 2, 0, 1_000),
    )  # fmt: skip
    assert said(found) == ["Begin", "Audio", "Switch", "Begin", "Audio"]
    assert found[2] == Switch(50, "other")


def test_silence_stands_for_lost_audio_and_a_segment_whose_end_was_lost_ends() -> None:
    first = file_of(header(), audio(0, 1_000), Segment(0, 0, "tiny", 0, 0, 0))
    second = file_of(header(audio=1_400, commands=1), Segment(0, 1, "tiny", 3, 5, 1_200), audio(1_400, 600))
    found = list(plan(read([first, second])))
    assert said(found) == ["Begin", "Audio", "Audio", "Flush", "Begin", "Audio"]
    assert samples(found) == [*range(1_000), *[0] * 400, *range(1_400, 2_000)]


def test_what_a_lost_gateway_had_and_the_next_one_asked_for_again_is_said_once() -> None:
    first = file_of(header(), audio(0, 1_000), Segment(0, 0, "tiny", 0, 0, 0))
    second = file_of(header(audio=640), audio(640, 1_000), Segment(0, 0, "tiny", 0, 0, 0, 1_640))
    found = list(plan(read([first, second])))
    assert samples(found) == list(range(1_640))
    assert isinstance(found[-1], Flush)


def test_in_a_later_epoch_audio_may_come_again() -> None:
    first = file_of(header(), audio(0, 1_000), Segment(0, 0, "tiny", 0, 0, 0))
    second = file_of(header(epoch=1, audio=640), audio(640, 360), Segment(1, 1, "tiny", 5, 2, 640))
    found = list(plan(read([first, second])))
    assert said(found) == ["Begin", "Audio", "Clear", "Begin", "Audio"]
    assert samples(found) == [*range(1_000), *range(640, 1_000)]

"""What is known of a session from its records, in one file or several."""

import pytest

from common.frames import Flag
from common.recording.recording import Hole, Key, read
from common.recording.records import Input, RecordingError, Segment, decode, encode
from tests.unit.common.recording.small import audio, barge_in, file_of, footer, frames, header


@pytest.mark.parametrize("record", barge_in())
def test_a_record_comes_back_as_it_was(record: object) -> None:
    assert decode(encode(record)) == record  # type: ignore[arg-type]


def test_frames_are_known_by_where_they_lie_in_their_segment() -> None:
    recording = read([file_of(*barge_in())])
    assert list(recording.frames) == [Key(0, 0, k) for k in range(4)] + [Key(1, 6_400, k) for k in range(5)]
    assert recording.key_of(1, 12) == Key(1, 6_400, 2)
    assert recording.key_of(2, 12) is None
    assert recording.is_whole
    assert recording.duration_s == 1.4


def test_a_footer_that_disagrees_with_the_frames_is_noticed() -> None:
    records = barge_in()
    del records[6]
    assert not read([file_of(*records)]).is_whole


@pytest.mark.parametrize("data", [b"", b"hello", file_of(), file_of(audio(0, 10)), file_of(header(v=2))])
def test_what_is_no_recording_or_of_a_later_version_is_refused(data: bytes) -> None:
    with pytest.raises(RecordingError):
        read([data])


def test_a_recording_cut_at_any_byte_is_the_beginning_of_the_whole() -> None:
    records = barge_in()
    data, whole = file_of(*records), read([file_of(*records)])
    for stop in range(len(file_of(records[0])), len(data)):
        torn = read([data[:stop]])
        assert torn.inputs == whole.inputs[: len(torn.inputs)]
        assert list(torn.frames.items()) == list(whole.frames.items())[: len(torn.frames)]
        heard = sum(len(taken.input.data) for taken in torn.inputs if taken.input.input == "audio") // 2
        assert all(key.audio <= heard for key in torn.frames), "a frame stands behind the audio that it needs"
        assert not torn.is_whole


def test_what_is_said_again_to_the_next_gateway_counts_once() -> None:
    sent, later = frames(0, range(3)), frames(0, range(3, 8))
    first = [header(), audio(0, 1_600), Segment(0, 0, "tiny", 0, 0, 0), audio(1_600, 3_200), *sent, footer(sent)]
    second = [
        header(gateway="there", created_s=103.0, audio=2_560), Segment(0, 0, "tiny", 0, 0, 0), audio(2_560, 2_560, 10),
        *later, footer(later),
    ]  # fmt: skip
    recording = read([file_of(*first), file_of(*second)])
    assert [(taken.input.audio, len(taken.input.data) // 2) for taken in recording.inputs] == [
        (0, 1_600), (1_600, 3_200), (2_560, 2_560),
    ]  # fmt: skip
    assert list(recording.frames) == [Key(0, 0, k) for k in range(8)]
    assert recording.inputs[-1].input.t_ms == 3_010
    assert (recording.holes, recording.is_whole) == ([], True)


def test_audio_that_was_lost_with_a_gateway_is_a_hole_and_what_is_near_it_is_not_compared() -> None:
    first = [header(), audio(0, 160_000), Segment(0, 0, "tiny", 0, 0, 0), *frames(0, range(200))]
    second = [header(created_s=112.0, audio=166_400), audio(166_400, 160_000), *frames(0, range(200, 500))]
    recording = read([file_of(*first), file_of(*second)])
    assert recording.holes == [Hole(0, 160_000, 166_400)]
    compared = [key.offset for key in recording.comparable()]
    assert compared == [k for k in range(500) if not 200 <= k <= 310]


def test_a_session_that_goes_on_in_a_later_epoch_was_cut_without_a_word() -> None:
    first = [header(), audio(0, 3_200), Segment(0, 0, "tiny", 0, 0, 0), *frames(0, range(2))]
    second = [header(epoch=1, audio=1_280), audio(1_280, 1_920), Segment(1, 1, "tiny", 5, 2, 1_280)]
    recording = read([file_of(*first), file_of(*second, *frames(1, range(5, 8)))])
    assert [(taken.epoch, taken.input.input) for taken in recording.inputs] == [
        (0, "audio"), (0, "clear"), (1, "audio"),
    ]  # fmt: skip
    assert list(recording.frames)[2:] == [Key(1, 1_280, k) for k in range(3)]


def test_repeats_are_not_compared() -> None:
    records = barge_in()
    records[5] = records[5]._replace(flags=int(Flag.CONCEALED))  # type: ignore[call-arg]
    recording = read([file_of(*records)])
    assert recording.concealed == 1
    assert len(recording.comparable()) == len(recording.frames) - 1


def test_a_segment_of_no_samples_hides_none_that_begins_there() -> None:
    records = [
        header(), Input(0, "flush", 0, 0), Segment(0, 0, "tiny", 0, 0, 0), Segment(0, 0, "tiny", 0, 0, 0, 0),
        audio(0, 640), Segment(0, 1, "tiny", 0, 4, 0), *frames(0, range(1)),
    ]  # fmt: skip
    recording = read([file_of(*records)])
    assert recording.segments[0, 0].template == 4
    assert list(recording.frames) == [Key(0, 0, 0)]

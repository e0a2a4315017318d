"""Order, repeats, deadlines."""

from common.frames import Flag, FrameHeader
from gateway.reorder import Reorder

FRAME_US = 40_000


def frame(number: int, epoch: int = 0) -> bytes:
    return FrameHeader(epoch, number, number * FRAME_US, number, (0, 0, 4, 4)).pack(b"jpeg%d" % number)


def numbers(messages: list[tuple[int, bytes]]) -> list[int]:
    return [FrameHeader.unpack(message)[0].frame for _, message in messages]


def awaiting(count: int, deadline_ms: float = 1000) -> Reorder:
    reorder = Reorder(FRAME_US)
    reorder.expect(0, count, deadline_ms)
    return reorder


def test_frames_that_come_in_any_order_leave_in_order() -> None:
    reorder = awaiting(4)
    left = []
    for number in (2, 0, 3, 1):
        reorder.put(number, frame(number))
        left += numbers(reorder.pop(0))
    assert left == [0, 1, 2, 3]


def test_a_repeated_frame_leaves_once() -> None:
    reorder = awaiting(2)
    for number in (0, 0, 1, 1, 0):
        reorder.put(number, frame(number))
    assert numbers(reorder.pop(0)) == [0, 1]
    reorder.put(1, frame(1))
    assert reorder.pop(0) == []
    assert reorder.pending == 0


def test_a_frame_that_nobody_asked_for_is_ignored() -> None:
    reorder = awaiting(1)
    reorder.put(7, frame(7))
    assert reorder.pop(0) == []
    assert reorder.awaited == 1


def test_a_late_frame_is_concealed_not_waited_for() -> None:
    reorder = awaiting(3, deadline_ms=100)
    reorder.put(0, frame(0))
    reorder.put(2, frame(2))
    assert numbers(reorder.pop(100)) == [0]
    left = reorder.pop(100.1)
    assert numbers(left) == [1, 2]
    header, picture = FrameHeader.unpack(left[0][1])
    assert header.flags == Flag.CONCEALED
    assert header.pts_us == FRAME_US
    assert picture == b"jpeg0"
    assert (reorder.concealed, reorder.late, reorder.on_time) == (1, 1, 2)


def test_a_skipped_frame_is_concealed_in_its_turn_and_not_late() -> None:
    reorder = awaiting(1)
    reorder.skip(1, now_ms=0)
    assert reorder.pop(0) == []
    reorder.put(0, frame(0))
    assert numbers(reorder.pop(0)) == [0, 1]
    assert (reorder.concealed, reorder.late, reorder.on_time) == (1, 0, 1)


def test_a_late_first_frame_is_left_out_and_counted() -> None:
    reorder = awaiting(2, deadline_ms=100)
    reorder.put(1, frame(1))
    assert numbers(reorder.pop(101)) == [1]
    assert reorder.concealed == 1


def test_clear_forgets_everything() -> None:
    reorder = awaiting(3)
    reorder.put(1, frame(1))
    reorder.clear(epoch=1, next_frame=3)
    assert (reorder.pending, reorder.awaited, reorder.missing()) == (0, 0, [])
    reorder.expect(3, 1, 1000)
    reorder.put(3, frame(3, epoch=1))
    assert numbers(reorder.pop(0)) == [3]

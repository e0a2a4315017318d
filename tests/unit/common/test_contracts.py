"""The wire of the streams, pinned."""

import pytest

from common.contracts import Notice, Task
from common.errors import TaskError

FIELDS = {
    b"v": b"1", b"session": b"0123456789abcdef", b"gateway": b"host-1-ab", b"avatar": b"demo", b"epoch": b"2",
    b"base": b"100", b"first": b"108", b"count": b"4", b"samples": b"-1", b"template": b"7", b"quality": b"85",
    b"output": b"patch", b"ingest_ms": b"1000.5", b"deadline_ms": b"3000.5", b"sent_ms": b"1001.0",
    b"timings": b"audio=0.1/0.2",
}  # fmt: skip


def test_a_task_reads_as_plain_words_and_comes_back() -> None:
    task = Task.from_fields(FIELDS)
    assert {k.encode(): v.encode() for k, v in task.to_fields().items()} == FIELDS
    assert (task.end, task.offset) == (112, 8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"session", b"../etc"), (b"avatar", b"a/b"), (b"count", b"0"), (b"count", b"100000"), (b"first", b"x"),
        (b"v", b"2"), (b"quality", b"0"), (b"gateway", b""), (b"epoch", b"-1"), (b"base", b"109"),
        (b"avatar", b"\xff"), (b"new", b"1"), (b"output", b"mouth"),
    ],
)  # fmt: skip
def test_a_task_that_is_not_one_is_refused_for_good(name: bytes, value: bytes) -> None:
    with pytest.raises(TaskError) as caught:
        Task.from_fields(FIELDS | {name: value})
    assert not caught.value.retryable


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in (b"v", b"output", b"timings")])
def test_no_field_may_be_missing(name: bytes) -> None:
    with pytest.raises(TaskError):
        Task.from_fields({k: v for k, v in FIELDS.items() if k != name})


def test_a_notice_comes_back() -> None:
    notice = Notice(session="0123456789abcdef", epoch=1, first=2, count=3, ingest_ms=4.0, timings="a=1/2")
    assert Notice.from_fields({k.encode(): v.encode() for k, v in notice.to_fields().items()}) == notice

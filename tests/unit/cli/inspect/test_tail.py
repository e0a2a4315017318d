"""Entries as `lipstream tail` shows them."""

from cli.inspect.tail import as_line, changes, decoded
from tests.inspection import record


def test_of_a_payload_the_size_is_shown() -> None:
    entry = (b"17-0", {b"first": b"8", b"payload": b"\xff" * 70, b"timings": b""})
    shown = decoded("stage:inference:default", entry)
    assert shown == {
        "stream": "stage:inference:default", "id": "17-0", "first": "8", "payload": "70 bytes", "timings": ""
    }  # fmt: skip
    assert as_line(shown) == "stream=stage:inference:default id=17-0 first=8 payload=70 bytes"


def test_of_a_session_what_is_new_is_shown() -> None:
    assert changes(None, record())["epoch"] == 0
    assert changes(record(), record(last_seen=999.0, next_frame=5)) == {}
    assert changes(record(), record(epoch=1, avatar="other")) == {"event": "session", "avatar": "other", "epoch": 1}
    assert changes(record(), None) == {"event": "ended"}

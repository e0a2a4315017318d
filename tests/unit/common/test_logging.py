"""What a log's lines look like, and what they say of whom and what they are about."""

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from common.logging import about, configure, identify, is_structured, task_of

log = logging.getLogger("tests.some")


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_record_is_one_line_of_json_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    log.debug("not of interest")
    log.info("two\nlines and %s", "“quotes”")
    (record,) = lines(capsys)
    assert record["message"] == "two\nlines and “quotes”"
    assert (record["level"], record["logger"]) == ("info", "tests.some")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(record["time"])).total_seconds() < 10


def test_an_error_comes_with_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("failed")
    (record,) = lines(capsys)
    assert "ValueError: boom" in record["error"]
    assert "test_logging.py" in record["error"]


def test_every_record_says_which_process_it_is_of(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    log.info("before")
    identify(stage="audio", worker="w1")
    log.info("after")
    before, after = lines(capsys)
    assert "worker" not in before
    assert (after["stage"], after["worker"]) == ("audio", "w1")


async def test_a_record_says_what_it_is_about_in_tasks_that_begin_there_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")

    async def speak(session: str) -> None:
        with about(session=session):
            await asyncio.create_task(asyncio.sleep(0))
            with about(frame=7):
                log.info("within")
            await asyncio.create_task(say())

    async def say() -> None:
        log.info("in a task")

    await asyncio.gather(speak("one"), speak("two"))
    log.info("outside")
    found = [(record["message"], record.get("session"), record.get("frame")) for record in lines(capsys)]
    said = (("within", 7), ("in a task", None))
    expected = [(words, session, frame) for session in ("one", "two") for words, frame in said]
    assert sorted(found[:-1], key=str) == sorted(expected, key=str)
    assert found[-1] == ("outside", None, None)


def test_facts_never_replace_what_a_record_says_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    identify(message="another", level="none")
    log.info("this one")
    (record,) = lines(capsys)
    assert (record["message"], record["level"]) == ("this one", "info")


def test_warnings_of_libraries_are_records_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old ways", stacklevel=1)
    (record,) = lines(capsys)
    assert "old ways" in record["message"]


def test_people_get_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    assert not is_structured()
    with about(session="one"):
        log.info("plain")
    assert capsys.readouterr().err.endswith("INFO    tests.some: plain\n")


def test_what_a_stream_entry_says_of_its_task() -> None:
    entry = {b"session": b"s", b"epoch": b"1", b"first": b"\xff", b"payload": b"..."}
    assert task_of(entry) == {"session": "s", "epoch": "1", "frame": "\ufffd"}
    assert task_of({}) == {}

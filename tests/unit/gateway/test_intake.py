"""What waits between the socket and the session."""

import asyncio

import pytest

from gateway.intake import Intake
from gateway.messages import End, Flush


async def test_items_come_out_in_their_order() -> None:
    intake = Intake(100)
    for item in (b"ab", Flush(type="flush"), b"cd"):
        await intake.put(item)
    assert [await intake.get() for _ in range(3)] == [b"ab", Flush(type="flush"), b"cd"]
    assert intake.waiting_bytes == 0


async def test_at_the_limit_the_writer_waits_and_nothing_is_lost() -> None:
    intake = Intake(4)
    await intake.put(b"abcd")
    writing = asyncio.create_task(intake.put(b"ef"))
    await asyncio.sleep(0.01)
    assert not writing.done()
    assert await intake.get() == b"abcd"
    await asyncio.wait_for(writing, 1)
    assert await intake.get() == b"ef"


async def test_clear_drops_what_waits_and_lets_the_writer_go_on() -> None:
    intake = Intake(4)
    await intake.put(b"abcd")
    writing = asyncio.create_task(intake.put(b"ef"))
    await asyncio.sleep(0)
    intake.clear()
    await asyncio.wait_for(writing, 1)
    assert await intake.get() == b"ef"


async def test_an_end_outlives_a_clear() -> None:
    intake = Intake(4)
    await intake.put(b"ab")
    await intake.put(End(type="end"))
    intake.clear()
    assert await intake.get() == End(type="end")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(intake.get(), 0.01)

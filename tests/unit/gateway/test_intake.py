"""What waits between the socket and the session."""

import asyncio

import pytest

from common.avatars.package import Avatar
from gateway.intake import COMMAND_BYTES, Intake
from gateway.messages import End, Flush


async def test_items_come_out_in_their_order() -> None:
    intake = Intake(10_000)
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


async def test_commands_have_a_limit_too() -> None:
    intake = Intake(10 * COMMAND_BYTES)
    for _ in range(10):
        await intake.put(Flush(type="flush"))
    assert intake.waiting_bytes == 0, "that counts audio alone"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(intake.put(Flush(type="flush")), 0.01)


async def test_an_end_and_a_change_of_avatar_outlive_a_clear(tiny_avatar: Avatar) -> None:
    intake = Intake(10_000)
    for item in (b"ab", tiny_avatar, b"cd", Flush(type="flush"), End(type="end")):
        await intake.put(item)
    intake.clear()
    assert [await intake.get() for _ in range(2)] == [tiny_avatar, End(type="end")]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(intake.get(), 0.01)

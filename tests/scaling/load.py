"""A crowd of speakers that grows and shrinks: each says the speech over and over while there is to be room for it."""

import asyncio
from collections.abc import Callable
from typing import Final

from tests.chaos.talk import Manner, Recording, Speech, talk

_LOOK_S: Final = 0.05
_APART_S: Final = 0.37
"""Speakers do not begin in step."""


async def crowd(
    url: str,
    speech: Speech,
    manner: Manner,
    most: int,
    over: asyncio.Event,
    recordings: list[Recording],
    wanted: Callable[[], int] | None = None,
) -> None:
    """At most `most` speakers, as many as are wanted at the time, until it is over; whoever has begun comes to an end.

    Raises
    ------
    A group of LipstreamClientError
        A session broke off.
    """

    async def speaker(number: int) -> None:
        await asyncio.sleep(number * _APART_S)
        while not over.is_set():
            if wanted is None or number < wanted():
                await talk([url], 0, speech, manner, recordings)
            else:
                await asyncio.sleep(_LOOK_S)

    async with asyncio.TaskGroup() as tasks:
        for number in range(most):
            tasks.create_task(speaker(number))

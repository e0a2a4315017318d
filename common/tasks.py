"""Ending asyncio tasks for sure."""

import asyncio
from typing import Any

RETRY_S = 0.1


async def stop(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until they have ended; what they raise is dropped.

    One `cancel` is not enough: a cancellation that meets redis-py just as a reply arrives is swallowed there.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=RETRY_S)
    await asyncio.gather(*tasks, return_exceptions=True)

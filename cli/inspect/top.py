"""`lipstream top`: looks at an interval, on the screen or as JSON; goes on when Redis has been away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli.inspect.looks import Looks, look_again
from cli.inspect.screen import screen
from cli.inspect.view import View
from common.errors import BusError
from common.redis_address import url_of
from common.redis_client import close, connect, relearn
from common.settings import Settings

AWAY: Final = "Redis is away, trying again"


class Seen(NamedTuple):
    """What a look gave: a view, or the last one there was with what went wrong."""

    view: View | None
    fault: str = ""


async def looking(settings: Settings, interval_s: float) -> AsyncIterator[Seen]:
    """Look for ever; a Redis that does not answer is tried again at the next look."""
    redis = connect(url_of(settings))
    looks, newest = Looks(), None
    try:
        while True:
            try:
                looks, newest = await look_again(redis, looks)
                yield Seen(newest)
            except BusError as error:
                await relearn(redis)
                yield Seen(newest, f"{AWAY}: {error.message}")
            await asyncio.sleep(interval_s)
    finally:
        await close(redis)


async def watch(settings: Settings, interval_s: float, console: Console) -> None:
    """Redraw the screen at every look, until interrupted."""
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        async for seen in looking(settings, interval_s):
            if seen.view is None:
                live.update(Text(seen.fault, "bold red"), refresh=True)
            else:
                rows = console.height if console.is_terminal else None
                live.update(screen(seen.view, console.width, rows, seen.fault), refresh=True)


async def stream_json(settings: Settings, interval_s: float, write: Callable[[Any], None]) -> None:
    """One object a look, until interrupted."""
    async for seen in looking(settings, interval_s):
        write({"error": seen.fault} if seen.fault or seen.view is None else seen.view.as_dict())

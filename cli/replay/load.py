"""A folder of recordings as a load: so many of them at a time, again and again until each has run at least once."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import Any

from cli.replay.run import Outcome, Request, run
from common.errors import LipstreamError
from common.recording.recording import Recording

Result = tuple[Recording, Outcome | LipstreamError]


async def load(recordings: Sequence[Recording], at_once: int, request: Request) -> list[Result]:
    """Run every recording, and with fewer than `at_once` some of them again; what came of each, or why it failed."""
    gate = asyncio.Semaphore(at_once)

    async def one(recording: Recording) -> Result:
        async with gate:
            try:
                return recording, await run(recording, replace(request, output=None))
            except LipstreamError as error:
                return recording, error

    runs = islice(cycle(recordings), max(at_once, len(recordings)))
    return list(await asyncio.gather(*map(one, runs)))


def row(recording: Recording, outcome: Outcome | LipstreamError) -> dict[str, Any]:
    """A line of the table."""
    session = recording.header.session
    if isinstance(outcome, LipstreamError):
        return {"session": session, "result": outcome.message}
    spoken_s = len(recording.frames) / recording.header.fps
    differs = "differs" if outcome.difference else "same" if outcome.compared else "not compared"
    return {
        "session": session,
        "frames": outcome.frames,
        "seconds": round(outcome.seconds, 1),
        "fps": round(outcome.frames / outcome.seconds, 1),
        "real_time": round(spoken_s / outcome.seconds, 2),
        "p50_ms": outcome.latency_ms.get("p50"),
        "p95_ms": outcome.latency_ms.get("p95"),
        "result": differs,
    }

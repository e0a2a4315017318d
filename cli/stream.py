"""`lipstream stream`: a file through a running gateway, as an application would send it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from cli.output import Write, opened
from cli.progress import Summary, bar
from common.errors import InputError, LipstreamError
from common.media import BYTES_PER_SAMPLE
from lipstream_client import Flag, Frame, LipstreamClientError, Segment, Session, connect
from workers.offline.media import Clip

_MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """What to stream, how, and where the frames go."""

    clip: Clip
    url: str
    avatar: str
    chunk_ms: int
    realtime: bool
    output: Path | None = None
    frames_dir: Path | None = None
    token: str | None = None
    ca: Path | None = None


@dataclass(slots=True)
class Count:
    """What has arrived."""

    frames: int = 0
    concealed: int = 0


async def stream(request: Request) -> Summary:
    """Send the recording and meanwhile collect every frame.

    Raises
    ------
    InputError
        The gateway refuses what was asked for.
    LipstreamError
        It cannot be reached, gives the session up, or sends less than the whole.
    """
    try:
        return await _stream(request)
    except LipstreamClientError as error:
        raise translated(error) from error


async def _stream(request: Request) -> Summary:
    clip, started_s = request.clip, time.monotonic()
    async with connect(
        request.url, avatar=request.avatar, sample_rate=clip.rate_hz, pace="lossless", token=request.token,
        ca_file=request.ca,
    ) as session:  # fmt: skip
        started = session.started
        expected = -(-len(clip.samples) * started.fps // clip.rate_hz)
        with (
            opened(request.output, request.frames_dir, started.fps, clip) as write,
            bar(f"streaming to {request.url}", expected) as advance,
        ):
            sender = asyncio.create_task(_send(session, request))
            try:
                count = await _collect(session, write, advance)
                await sender
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
    stats, ended = session.stats, session.ended
    if ended is None or ended.frames != count.frames:
        raise LipstreamError(f"{count.frames} frames arrived, the gateway says {ended and ended.frames}")
    return Summary(
        avatar=started.avatar,
        frames=count.frames,
        concealed=count.concealed,
        duration_s=clip.duration_s,
        wall_s=time.monotonic() - started_s,
        output=str(request.output) if request.output else None,
        frames_dir=str(request.frames_dir) if request.frames_dir else None,
        latency_ms=dict(stats.latency_ms) if stats and stats.latency_ms else None,
    )


async def _send(session: Session, request: Request) -> None:
    async for chunk in chunks(request.clip, request.chunk_ms, realtime=request.realtime):
        await session.send_audio(chunk)
    await session.end()


async def chunks(clip: Clip, chunk_ms: int, *, realtime: bool) -> AsyncIterator[bytes]:
    """The recording in pieces; `realtime`: each when its last sample would have left a microphone."""
    step = max(1, clip.rate_hz * chunk_ms // _MS_PER_S)
    pcm, started_s = clip.pcm, time.monotonic()
    for start in range(0, len(clip.samples), step):
        stop = min(start + step, len(clip.samples))
        if realtime:
            await asyncio.sleep(started_s + stop / clip.rate_hz - time.monotonic())
        yield pcm[start * BYTES_PER_SAMPLE : stop * BYTES_PER_SAMPLE]


async def _collect(session: Session, write: Write, advance: Callable[[], None]) -> Count:
    count, segments = Count(), 0
    async for item in session:
        if isinstance(item, Segment):
            segments += 1
        if not isinstance(item, Frame) or Flag.IDLE in item.flags:
            continue
        if item.frame != count.frames:
            raise LipstreamError(f"frame {count.frames} is missing: frame {item.frame} arrived in its place")
        # Encoding takes longer than reading: in a thread, so that the socket and the sender go on.
        await asyncio.to_thread(write, item.picture)
        count.frames += 1
        count.concealed += Flag.CONCEALED in item.flags
        advance()
    if segments > 1:
        raise LipstreamError(f"the gateway cut the recording into {segments} segments; send it with fewer pauses")
    return count


def translated(error: LipstreamClientError) -> LipstreamError:
    kind = InputError if error.code.startswith("bad_") and error.code not in ("bad_frame", "bad_message") else None
    message = error.message if error.code in ("unreachable", "untrusted", "refused") else str(error)
    return (kind or LipstreamError)(message, field=error.field, limit=error.limit)

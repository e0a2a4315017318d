"""One recording run again, in this process or at a gateway, with what was asked for beside it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from cli.progress import bar
from cli.replay.digests import DigestOf, check_digests, of_gateway
from cli.replay.evidence import recorded_picture, write_evidence
from cli.replay.live import Gateway, replay
from cli.replay.verify import Check, Difference
from common.avatars import digest
from common.errors import AvatarError
from common.recording.recording import Recording
from common.settings import Settings
from workers.offline.film import filming
from workers.offline.replay import AvatarOf, Offline, Shown


@dataclass(frozen=True, slots=True)
class Request:
    """How to run recordings again.

    Attributes
    ----------
    url : of a gateway; None: in this process.
    speed : of the clock; None: as fast as possible.
    evidence : folder for the pictures of a difference.
    ca : PEM of the authority behind the gateway's certificate; None: the system's.
    """

    settings: Settings
    avatar_of: AvatarOf
    url: str | None = None
    speed: float | None = None
    token: str | None = None
    verify: bool = False
    output: Path | None = None
    evidence: Path = Path()
    ca: Path | None = None


class Outcome(NamedTuple):
    """What came of a run; `compared` frames were the same but for the `difference`."""

    session: str
    where: str
    frames: int
    recorded: int
    concealed: int
    comparable: int
    compared: int
    lost_bytes: int
    seconds: float
    difference: Difference | None = None
    evidence: tuple[Path, ...] = ()
    latency_ms: Mapping[str, float] = MappingProxyType({})

    def as_dict(self) -> dict[str, Any]:
        return self._asdict() | {
            "difference": self.difference.as_dict() if self.difference else None,
            "evidence": [str(path) for path in self.evidence],
            "seconds": round(self.seconds, 3),
            "latency_ms": dict(self.latency_ms),
        }

    def as_text(self) -> str:
        lines = [f"{self.frames} frames of session {self.session} from {self.where} in {self.seconds:.1f} s"]
        if self.lost_bytes:
            lines.append(f"the recording broke off: {self.lost_bytes} bytes at its end cannot be read")
        if self.compared:
            beside = self.recorded - self.concealed - self.comparable
            lines.append(
                f"{self.compared} of {self.recorded} recorded frames compared; {self.concealed} concealed ones"
                + (f" and {beside} beside lost audio" if beside else "")
                + " are not"
            )
        if self.difference:
            lines += [f"first difference: {self.difference.as_text()}", *(f"  {path}" for path in self.evidence)]
        elif self.compared:
            lines.append("every picture is the same")
        return "\n".join(lines)


async def run(recording: Recording, request: Request) -> Outcome:
    """Run a recording again; with `verify` up to the first difference.

    Raises
    ------
    DigestError
        With `verify`: an avatar is not the recorded one.
    InputError, LipstreamError
        The gateway refuses something, or the video cannot be written.
    """
    header = recording.header
    if request.verify:
        digest_of = of_gateway(request.url, request.token, request.ca) if request.url else here(request)
        await asyncio.to_thread(check_digests, recording.digests, digest_of)
    check, frames, begun_s = Check(recording), 0, time.monotonic()
    latency_ms: dict[str, float] = {}
    with (
        filming(recording, request.output) as take,
        bar(f"replaying {header.session[:8]}", len(recording.frames)) as advance,
    ):
        async with aclosing(_shown(recording, request, latency_ms)) as coming:
            async for shown in coming:
                frames += 1
                take(shown)
                advance()
                if request.verify:
                    check.see(shown)
                if check.difference:
                    break
            else:
                if request.verify:
                    check.finish()
    difference = check.difference
    return Outcome(
        session=header.session,
        where=request.url or "this process",
        frames=frames,
        recorded=len(recording.frames),
        concealed=recording.concealed,
        comparable=len(recording.comparable()),
        compared=check.compared,
        lost_bytes=recording.lost_bytes,
        seconds=time.monotonic() - begun_s,
        difference=difference,
        evidence=tuple(_evidence(recording, difference, request)) if difference else (),
        latency_ms=latency_ms,
    )


def here(request: Request) -> DigestOf:
    """The digests of the avatars on this machine."""
    return lambda name: digest.digest_of(request.avatar_of(name))


async def _shown(recording: Recording, request: Request, latency_ms: dict[str, float]) -> AsyncGenerator[Shown, None]:
    if request.url:
        gateway = Gateway(request.url, request.token, request.ca)
        async with aclosing(replay(recording, gateway, request.speed, latency_ms)) as coming:
            async for shown in coming:
                yield shown
        return
    for shown in Offline(request.settings, request.avatar_of).run(recording):
        yield shown


def _evidence(recording: Recording, difference: Difference, request: Request) -> list[Path]:
    """The pictures; at a gateway's difference the recorded one may be made again here, with the recorded avatars."""
    offline = None
    if request.url and _has_recorded_avatars(recording, request):
        offline = Offline(request.settings, request.avatar_of)
    picture = recorded_picture(recording, difference, offline)
    return write_evidence(request.evidence, recording.header.session, difference, picture)


def _has_recorded_avatars(recording: Recording, request: Request) -> bool:
    try:
        return all(here(request)(name) == digest for name, digest in recording.digests.items())
    except AvatarError:
        return False

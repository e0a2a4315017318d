"""Whether the avatars here, or of a gateway, are those that were recorded."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
from pydantic import ValidationError

from cli.replay.verify import ReplayError
from common.avatars.digest import AvatarDigest
from common.errors import LipstreamError

_SHOWN = 12
DigestOf = Callable[[str], AvatarDigest]


class DigestError(ReplayError):
    """An avatar is not the recorded one."""

    code = "other_avatar"


def check_digests(recorded: Mapping[str, AvatarDigest], digest_of: DigestOf) -> None:
    """Compare every avatar of a recording.

    Raises
    ------
    DigestError
        One of their files is another than was recorded; all those files are named.
    """
    lines = [line for name, digest in recorded.items() for line in _lines(digest, digest_of(name))]
    if lines:
        raise DigestError("not the avatar that was recorded: " + "; ".join(lines))


def _lines(recorded: AvatarDigest, present: AvatarDigest) -> list[str]:
    return [
        f"{recorded.avatar}/{name} is {_short(present, name)}, was {_short(recorded, name)}"
        for name in recorded.differences(present)
    ]


def _short(digest: AvatarDigest, name: str) -> str:
    return digest.files.get(name, "not there")[:_SHOWN]


def of_gateway(url: str, token: str | None, ca: Path | None = None) -> DigestOf:
    """The digests of the gateway behind a WebSocket URL."""
    base = url.replace("ws", "http", 1).rstrip("/").removesuffix("/ws")
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    trusted = ssl.create_default_context(cafile=ca)

    def digest_of(name: str) -> AvatarDigest:
        try:
            answer = httpx.get(f"{base}/api/avatars/{name}/digest", headers=headers, verify=trusted)
            answer.raise_for_status()
            return AvatarDigest.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise LipstreamError(f"cannot ask {base} for the digest of '{name}': {error}") from error

    return digest_of

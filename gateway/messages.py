"""What clients say in `lipstream.v1`, as JSON; `replies.py` has what they are told, `docs/protocol.md` tells both."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.contracts import NAME_PATTERN, OfferedQuality
from common.errors import ProtocolError
from gateway.replies import REPLIES

SUBPROTOCOL = "lipstream.v1"
SAMPLE_RATE_MIN_HZ = 8_000
SAMPLE_RATE_MAX_HZ = 48_000
TOKEN_MAX_CHARS = 4_096
MESSAGE_MAX_CHARS = 200
"""Errors quote what was sent, but not all of it."""
FRAME_MAX = 2**32 - 1
"""Frame numbers are u32 in the header."""

AudioFormat = Literal["s16le", "f32le"]
OutputMode = Literal["frame", "patch"]


class _ClientMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Start(_ClientMessage):
    """Opens the session; exactly once, before any audio."""

    type: Literal["start"]
    v: int = Field(1, ge=1, le=1, description="version of the protocol")
    avatar: str = Field("demo", pattern=NAME_PATTERN)
    sample_rate: int = Field(24_000, ge=SAMPLE_RATE_MIN_HZ, le=SAMPLE_RATE_MAX_HZ, description="of the audio, Hz")
    format: AudioFormat = Field("s16le", description="of the audio: 16 bit integers, or 32 bit floats in [-1, 1]")
    pace: Literal["live", "lossless"] = Field("live", description="conceal frames that are late, or wait for each")
    idle: Literal["client", "server"] = Field("client", description="who shows the template between utterances")
    output: OutputMode = Field("frame", description="whole pictures, or only the painted rectangle")
    quality: OfferedQuality | None = Field(None, description="of the JPEGs; null: the server's choice")
    token: str | None = Field(None, max_length=TOKEN_MAX_CHARS, description="API key or signed session token")
    record: bool | None = Field(None, description="whether to record the session; null: the server's choice")


class Resume(_ClientMessage):
    """Goes on with a session whose connection was lost; in the place of `start`, at any gateway of the installation."""

    type: Literal["resume"]
    v: int = Field(1, ge=1, le=1, description="version of the protocol")
    token: str = Field(max_length=TOKEN_MAX_CHARS, description="`resume` of the last `started` or `resumed`")
    last_frame: int | None = Field(None, ge=0, le=FRAME_MAX, description="the last speech frame that came; null: none")
    epoch: int | None = Field(None, ge=0, le=FRAME_MAX, description="of the last `cleared`; null: the server's")
    template: int | None = Field(None, ge=0, le=2**31, description="index of the picture that is shown while idle")


class Begin(_ClientMessage):
    """Between segments: the template index that the next segment's first frame shall have."""

    type: Literal["begin"]
    template: int = Field(ge=0, le=2**31)


class Flush(_ClientMessage):
    """Ends the segment: its last frames come out without waiting for more audio."""

    type: Literal["flush"]


class Clear(_ClientMessage):
    """Barge-in: voids everything not yet shown."""

    type: Literal["clear"]
    shown: int | None = Field(
        None, ge=0, le=FRAME_MAX, description="the last speech frame really shown; null: the last one sent"
    )


class Switch(_ClientMessage):
    """From the next audio on another avatar, of the same frame rate; the open segment is flushed."""

    type: Literal["switch"]
    avatar: str = Field(pattern=NAME_PATTERN)


class Ping(_ClientMessage):
    """Asks for a `pong` with the same `id`."""

    type: Literal["ping"]
    id: Annotated[int, Field(ge=-(2**53), le=2**53)] | Annotated[str, Field(max_length=64)] | None = None


class End(_ClientMessage):
    """Flushes, delivers, closes."""

    type: Literal["end"]


ClientMessage = Start | Resume | Begin | Flush | Clear | Switch | Ping | End
ADAPTER: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def parse(text: str) -> ClientMessage:
    """A client's JSON message.

    Raises
    ------
    ProtocolError
        Not JSON, an unknown type, or a field that is missing, unknown or out of range; field and limit are named.
    """
    try:
        return ADAPTER.validate_python(_loads(text))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        # Where several types are allowed, that of the wrong type says less than that beyond its limit.
        fault = next((each for each in faults if not each["type"].endswith("_type")), faults[0])
        # Messages are flat: what follows the field's name only tells which of its types was tried.
        field = str((*fault["loc"][1:], "type")[0])[:64]
        context = fault.get("ctx", {})
        limits = (context.get(name) for name in ("le", "ge", "max_length", "expected", "expected_tags", "pattern"))
        limit = next((limit for limit in limits if limit is not None), None)
        raise ProtocolError(f"{field}: {fault['msg'][:MESSAGE_MAX_CHARS]}", field=field, limit=limit) from error


def _loads(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a text message must be JSON; audio goes in binary messages") from error
    if not isinstance(content, dict):
        raise ProtocolError("a text message must be a JSON object with a `type`", field="type")
    return content


def dump(kind: str, **fields: Any) -> str:
    """A server's JSON message: the fields that are given, checked against its model in `replies.py`."""
    reply = REPLIES[kind].model_validate({"type": kind, **fields})
    return reply.model_dump_json(exclude_unset=True)

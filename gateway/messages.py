"""The JSON messages of `lipstream.v1`; `docs/protocol.md` describes them for people."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.contracts import NAME_PATTERN
from common.errors import ProtocolError

SUBPROTOCOL = "lipstream.v1"
SAMPLE_RATE_MIN_HZ = 8_000
SAMPLE_RATE_MAX_HZ = 48_000


class _ClientMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Start(_ClientMessage):
    """Opens the session."""

    type: Literal["start"]
    avatar: str = Field("demo", pattern=NAME_PATTERN)
    sample_rate: int = Field(24_000, ge=SAMPLE_RATE_MIN_HZ, le=SAMPLE_RATE_MAX_HZ)
    pace: Literal["live", "lossless"] = "live"
    idle: Literal["client", "server"] = "client"
    quality: Literal[60, 75, 85, 95] | None = None


class Begin(_ClientMessage):
    """Sets the template index of the next segment's first frame."""

    type: Literal["begin"]
    template: int = Field(ge=0, le=2**31)


class Flush(_ClientMessage):
    """Ends the segment."""

    type: Literal["flush"]


class Clear(_ClientMessage):
    """Barge-in: voids everything not yet shown."""

    type: Literal["clear"]


class End(_ClientMessage):
    """Flushes, delivers, closes."""

    type: Literal["end"]


ClientMessage = Start | Begin | Flush | Clear | End
_ADAPTER: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def parse(text: str) -> ClientMessage:
    """A client's JSON message.

    Raises
    ------
    ProtocolError
        Not JSON, an unknown type, or a field that is missing, unknown or out of range; field and limit are named.
    """
    try:
        return _ADAPTER.validate_python(_loads(text))
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"][1:]) or "type"
        context = fault.get("ctx", {})
        limit = context.get("le", context.get("ge", context.get("expected", context.get("pattern"))))
        raise ProtocolError(f"{field}: {fault['msg']}", field=field, limit=limit) from error


def _loads(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a text message must be JSON; audio goes in binary messages") from error
    if not isinstance(content, dict):
        raise ProtocolError("a text message must be a JSON object with a `type`", field="type")
    return content


def dump(kind: str, **fields: Any) -> str:
    """A server's JSON message."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))

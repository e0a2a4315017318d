"""What clients of the earlier servers say in JSON, and the shapes of what they are told; pure.

Unknown fields are ignored: those clients send some that no server ever read.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.errors import AudioError, LipstreamError, ProtocolError
from common.media import BYTES_PER_SAMPLE
from gateway.earlier import binary

SAMPLE_RATE_HZ: Final = 24_000
"""Rate of audio that says nothing of its rate."""

CHUNK_MS: Final = 40
WINDOW_BYTES: Final = 16 * CHUNK_MS * SAMPLE_RATE_HZ // 1000 * BYTES_PER_SAMPLE
"""The audio that goes with one request for a mouth: 16 chunks, 8 before the frame's own and 7 behind."""

VIDEO_TYPES: Final = ("full_body", "crops_328", "face")

ModelName = Annotated[str, Field(max_length=binary.MODEL_NAME_MAX_BYTES)]
FrameId = Annotated[int, Field(ge=0, le=2**32 - 1)]
RequestId = Annotated[str, Field(max_length=256)] | int | None


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class AudioChunk(_Request):
    """Speech for the frame buffer; `audio_data` is PCM16 in base64."""

    type: Literal["audio_chunk"]
    audio_data: str
    sample_rate: int = Field(SAMPLE_RATE_HZ, ge=8_000, le=48_000)


class GetFrame(_Request):
    """Asks for the next finished frame."""

    type: Literal["get_frame"]
    output: Literal["frame", "patch"] = "patch"


class SetModel(_Request):
    type: Literal["set_model"]
    model_name: ModelName


class GetStats(_Request):
    type: Literal["get_stats"]


class GetReferenceImage(_Request):
    type: Literal["get_reference_image"]
    model_name: ModelName = ""
    request_id: RequestId = None


class ListModels(_Request):
    type: Literal["list_models", "get_models"]


class GetMetadata(_Request):
    type: Literal["get_metadata"]
    model_name: ModelName = ""


class GetVideoFrame(_Request):
    """Asks for a frame of the template."""

    type: Literal["get_video_frame"]
    model_name: ModelName = ""
    frame_id: FrameId = 0
    video_type: Literal["full_body", "crops_328", "face"] = "full_body"


class SwitchToBinary(_Request):
    type: Literal["switch_to_binary", "test_binary"]


class Inference(_Request):
    """Asks for one mouth; the audio window is PCM16, 24 kHz, in base64, under either name."""

    type: Literal["inference"]
    model_name: ModelName = ""
    frame_id: FrameId = 0
    audio_override: str | None = None
    audio_data: str | None = None
    request_id: RequestId = None


Request = (
    AudioChunk
    | GetFrame
    | SetModel
    | GetStats
    | GetReferenceImage
    | ListModels
    | GetMetadata
    | GetVideoFrame
    | SwitchToBinary
    | Inference
)
_ADAPTER: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="type")])

TYPES: Final = frozenset(t for model in get_args(Request) for t in get_args(model.model_fields["type"].annotation))
_UNTYPED: Final = {"model_name", "frame_id", "audio_override"}
"""A message without a type that has one of these is a request for a mouth."""

_ANSWERS: Final = {
    "get_reference_image": "reference_image",
    "list_models": "model_list",
    "get_models": "models",
    "get_metadata": "metadata",
    "get_video_frame": "video_frame",
}
"""Clients await these types, with `success: false` when it failed; every other failure is of type `error`."""


def is_earlier(message: str | bytes) -> bool:
    """Whether a connection's first message is one of the earlier protocols': of a known type, or a binary request."""
    if isinstance(message, bytes):
        return _is_binary_request(message)
    try:
        kind = _typed(_loads(message)).get("type")
    except ProtocolError:
        return False
    return isinstance(kind, str) and kind in TYPES


def parse(text: str) -> Request:
    """A client's JSON message.

    Raises
    ------
    ProtocolError
        Not JSON, an unknown type, or a field that is missing or out of range; field and limit are named.
    """
    try:
        return _ADAPTER.validate_python(_typed(_loads(text)))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        # What follows the field's name only tells which of its types was tried.
        field = str((*fault["loc"][1:], "type")[0])
        context = fault.get("ctx", {})
        limits = (context.get(name) for name in ("le", "ge", "max_length", "expected", "expected_tags"))
        limit = next((value for value in limits if value is not None), None)
        raise ProtocolError(f"{field}: {fault['msg']}", field=field, limit=limit) from error


def pcm_of(encoded: str, field: str) -> bytes:
    """The PCM16 in a base64 field.

    Raises
    ------
    AudioError
        Not base64, or not PCM16.
    """
    try:
        pcm = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AudioError(f"{field} is not base64: {error}", field=field) from error
    return check_pcm(pcm, field)


def check_pcm(pcm: bytes, field: str) -> bytes:
    """The same bytes, if they can be PCM16."""
    if len(pcm) % BYTES_PER_SAMPLE:
        raise AudioError(f"{field}: PCM16 has an even number of bytes, got {len(pcm)}", field=field)
    if pcm[:4] == b"RIFF":
        raise AudioError(f"{field} is a WAV file; send its samples alone, PCM16 mono", field=field)
    return pcm


def dump(kind: str, **fields: Any) -> str:
    """A server's JSON message."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))


def failure(error: LipstreamError, text: str) -> str:
    """The answer to the message `text` that failed, of the type that its client awaits, with what identifies it."""
    try:
        asked: Mapping[str, Any] = _typed(_loads(text))
    except ProtocolError:
        asked = {}
    names = ("model_name", "frame_id", "video_type", "request_id")
    echo = {name: asked[name] for name in names if _is_small(asked.get(name))}
    kind = asked.get("type")
    answer = _ANSWERS.get(kind, "error") if isinstance(kind, str) else "error"
    return dump(answer, success=False, error=error.message, **echo | error.as_dict())


def _is_small(value: object) -> bool:
    return (isinstance(value, str) and len(value) <= 256) or (isinstance(value, int) and abs(value) < 2**63)


def _is_binary_request(message: bytes) -> bool:
    name = message[4 : 4 + int.from_bytes(message[:4], "little")]
    named = 0 < len(name) == int.from_bytes(message[:4], "little") <= binary.MODEL_NAME_MAX_BYTES
    if named and name.isascii() and name.decode().isprintable():
        # Something may be wrong further on; then the answer shall be one that this client can read.
        return True
    try:
        binary.unpack_request(message)
    except ProtocolError:
        return False
    return True


def _typed(content: dict[str, Any]) -> dict[str, Any]:
    if content.get("type", "") == "" and not _UNTYPED.isdisjoint(content):
        return content | {"type": "inference"}
    return content


def _loads(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a text message must be JSON") from error
    if not isinstance(content, dict):
        raise ProtocolError("a text message must be a JSON object with a `type`", field="type")
    return content

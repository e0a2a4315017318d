"""The messages between the parts, as they stand in Redis.

One `Task` travels through the three work streams; only its payload changes:

* gateway -> audio: no payload. The samples are in the session's audio ring.
* audio -> inference: the log-mel columns that the task's frames need, float32, shape (columns, bands).
* inference -> compositor: the mouth patches, uint8, shape (count, height, width, 3), BGR.

The compositor writes the frame ring and sends a `Notice` to the session's gateway; so does who gives a task up.
Fields are plain words in Redis (`redis-cli XRANGE stage:audio - +` reads well); only the payload is binary.
"""

from collections.abc import Mapping
from typing import Final, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.errors import TaskError

SESSION_ID_PATTERN = r"^[A-Za-z0-9_-]{8,64}$"
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"

OfferedQuality = Literal[60, 75, 85, 95]
"""The JPEG qualities that a client may ask for."""
OFFERED_QUALITIES: Final[tuple[int, ...]] = get_args(OfferedQuality)

_T = TypeVar("_T", bound="_Message")


class _Message(BaseModel):
    """What all messages share: frozen, no unknown field, and plain text in Redis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_fields(self) -> dict[str, str]:
        """Field -> text, ready for XADD."""
        return {name: str(value) for name, value in self.model_dump().items()}

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> Self:
        """The message in a stream entry.

        Raises
        ------
        TaskError
            A field is missing, unknown, or out of range: not retryable, the entry belongs to the dead letters.
        """
        try:
            return cls.model_validate({k.decode(): v.decode() for k, v in fields.items()})
        except (ValidationError, UnicodeDecodeError) as error:
            raise TaskError(f"not a {cls.__name__}: {error}") from error


class Task(_Message):
    """Frames `first .. first + count` of one session's segment, on their way to the screen.

    Times are Unix milliseconds of the gateway's clock. Workers add what has passed by Redis' clock since the entry was
    written, so that no two machines need to agree on the time.
    """

    v: Literal["1"] = "1"
    session: str = Field(pattern=SESSION_ID_PATTERN)
    gateway: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    avatar: str = Field(pattern=NAME_PATTERN)
    epoch: int = Field(ge=0)
    base: int = Field(ge=0, description="first frame of the segment, counted over the session")
    first: int = Field(ge=0, description="first frame of the task, counted over the session")
    count: int = Field(ge=1, le=256)
    samples: int = Field(ge=-1, description="length of the segment in samples; -1 while it is open")
    template: int = Field(ge=0, description="template position of the task's first frame, before looping")
    quality: int = Field(ge=1, le=100, description="JPEG quality")
    output: Literal["frame", "patch"] = Field("frame", description="whole pictures, or the painted rectangle alone")
    ingest_ms: float = Field(description="when the last sample that the task needs arrived")
    deadline_ms: float = Field(description="after this nobody wants the frames")
    sent_ms: float = Field(description="when the task was put on its present stream")
    timings: str = Field(default="", description="'<stage>=<queue wait ms>/<work ms>' of the stages behind, by commas")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.first < self.base:
            raise ValueError("first must not be below base")
        return self

    @property
    def end(self) -> int:
        """One past the task's last frame."""
        return self.first + self.count

    @property
    def offset(self) -> int:
        """The task's first frame, counted from the start of its segment."""
        return self.first - self.base


class Handover(_Message):
    """gateway -> the gateway before it: the session's client has come to us, leave it alone."""

    moved: str = Field(pattern=SESSION_ID_PATTERN)


class Notice(_Message):
    """A worker -> the gateway: frames `first .. first + count` of the session are in its ring, or will never be."""

    session: str = Field(pattern=SESSION_ID_PATTERN)
    epoch: int = Field(ge=0)
    first: int = Field(ge=0)
    count: int = Field(ge=1)
    ingest_ms: float
    timings: str = ""
    lost: str = Field("", max_length=1_000, description="why the frames will never come; empty: they are in the ring")

"""What may be asked of the jobs workers, and what is told of it; plain data, as JSON."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.contracts import NAME_PATTERN, SESSION_ID_PATTERN
from common.errors import InputError

JOB_ID_PATTERN: Final = r"^[0-9a-f]{16}$"

Kind = Literal["render", "export", "frames", "prune"]
State = Literal["queued", "running", "canceling", "finished", "failed", "canceled"]
ENDED: Final = ("finished", "failed", "canceled")

AvatarName = Annotated[str, Field(pattern=NAME_PATTERN, description="an avatar of the folder")]
Quality = Annotated[int | None, Field(ge=1, le=100, description="JPEG quality; none: the worker's setting")]


class _Request(BaseModel):
    """What all share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Render(_Request):
    """The audio that is uploaded along with this, said by an avatar: an MP4."""

    kind: Literal["render"] = "render"
    avatar: AvatarName
    quality: Quality = None


class Export(_Request):
    """A recorded session as an MP4 of the frames that were sent."""

    kind: Literal["export"] = "export"
    session: str = Field(pattern=SESSION_ID_PATTERN, description="whose recording")


class Frames(_Request):
    """The pictures of an avatar's template as a ZIP of JPEGs: `000000.jpg` and so on."""

    kind: Literal["frames"] = "frames"
    avatar: AvatarName
    quality: Quality = None


class Prune(_Request):
    """Recordings that were last written to so long ago are removed."""

    kind: Literal["prune"] = "prune"
    days: float | None = Field(None, gt=0, le=36_500, description="none: the setting recordings_keep_days")


Request = Annotated[Render | Export | Frames | Prune, Field(discriminator="kind")]
_REQUEST: Final[TypeAdapter[Request]] = TypeAdapter(Request)


def parse(content: Any) -> Request:
    """The request in a JSON value.

    Raises
    ------
    InputError
        A field is unknown, missing or out of range.
    """
    try:
        return _REQUEST.validate_python(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = str(fault["loc"][-1]) if fault["loc"] else "kind"
        context = fault.get("ctx", {})
        limit = next((context[name] for name in ("le", "ge", "gt", "pattern") if name in context), None)
        raise InputError(f"{field}: {fault['msg']}", field=field, limit=limit) from error


class ResultFile(BaseModel):
    """What a job made; `GET /api/jobs/{job}/result` gives it."""

    name: str = Field(description="a name to save it by")
    media_type: str
    size_bytes: int


class Outcome(BaseModel):
    """What came of a job, as its function returns it."""

    facts: dict[str, Any] = Field(default_factory=dict, description="numbers and names, by kind of job")
    file: ResultFile | None = None


class JobEntry(BaseModel):
    """A background job as it stands."""

    id: str
    request: Request
    state: State
    attempt: int = Field(description="which try this is, from 1; 0 while it waits for its first")
    done: int = Field(description="of `total`, in the unit of the job: frames, recordings")
    total: int = Field(description="0 while it is not known")
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = Field(None, description="when it and its result are forgotten")
    outcome: Outcome | None = None
    error: dict[str, Any] | None = Field(None, description="of a failed one, or of the try before; as errors are told")

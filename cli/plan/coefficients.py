"""What frames cost, as `python -m bench.coefficients` has measured it, in one YAML file.

A measurement holds for one avatar, one kind of output and one kind of accelerator, on the machine that it names.
"""

from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from common.errors import InputError

Stage = Literal["gateway", "audio", "inference", "compositor"]
Part = Literal["gateway", "audio", "inference", "compositor", "redis", "client"]
Output = Literal["frame", "patch"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
WORKERS: Final[tuple[Stage, ...]] = STAGES[1:]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
MEASURE: Final = "python -m bench.coefficients"


class Cost(BaseModel):
    """Milliseconds of processor time, or of an accelerator's where one computes, as a sum.

    Attributes
    ----------
    batch_ms : a batch, however many tasks it has; 0 where tasks gain nothing from company.
    task_ms, frame_ms : a task, and each frame in it.
    message_ms : a message of audio from a client; workers hear of none.
    idle : cores that it takes when nobody speaks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_ms: NonNegativeFloat = 0.0
    task_ms: NonNegativeFloat
    frame_ms: NonNegativeFloat
    message_ms: NonNegativeFloat = 0.0
    idle: NonNegativeFloat = 0.0

    def of(self, tasks: int, frames: int) -> float:
        """Milliseconds of one batch."""
        return self.batch_ms + self.task_ms * tasks + self.frame_ms * frames

    @property
    def live_ms(self) -> float:
        """Milliseconds of a live frame: its audio comes in a message of its own, and it is a task of its own."""
        return self.message_ms + self.of(1, 1)


class Measurement(BaseModel):
    """One avatar's frames, on one kind of machine.

    Attributes
    ----------
    costs : of each part; that of the client is the bench's own, which takes its share of the machine too.
    processes : gateways and workers that ran: Redis' own idle cost is what they ask it though nobody speaks.
    drowsy : how many times as long a core takes that has slept, 1 or more: the costs are of cores that are kept busy.
    stream_ms : of Redis' time for a task, what the stage's stream takes: it does not spread over a cluster.
    picture_bytes : of one frame as its client gets it, without the header.
    redis_in_bytes, redis_out_bytes : of one frame, all that passes Redis.
    resident_mb : of one process.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    avatar: str
    output: Output
    gpu: str | None = None
    fps: PositiveFloat
    machine: str
    command: str
    measured_on: date
    costs: Mapping[Part, Cost]
    processes: PositiveInt
    drowsy: float = Field(ge=1)
    stream_ms: Mapping[Stage, NonNegativeFloat]
    picture_bytes: PositiveFloat
    redis_in_bytes: PositiveFloat
    redis_out_bytes: PositiveFloat
    resident_mb: Mapping[Stage, PositiveFloat]

    @model_validator(mode="after")
    def _check_complete(self) -> "Measurement":
        for name, wanted in (("costs", PARTS), ("stream_ms", WORKERS), ("resident_mb", STAGES)):
            if missing := set(wanted) - set(getattr(self, name)):
                raise ValueError(f"{name} lacks {', '.join(sorted(missing))}")
        return self

    @property
    def what(self) -> tuple[str, Output, str | None]:
        """What it is a measurement of; a file has one of each."""
        return self.avatar, self.output, self.gpu


class Coefficients(BaseModel):
    """A file of measurements."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measurements: tuple[Measurement, ...]

    def find(self, avatar: str, output: Output, gpu: str | None = None) -> Measurement:
        """The measurement of an avatar.

        Raises
        ------
        InputError
            Nobody has measured it; says how to.
        """
        for each in self.measurements:
            if each.what == (avatar, output, gpu):
                return each
        known = "; ".join(sorted(_name(*each.what) for each in self.measurements)) or "nothing"
        provider = f" --provider cuda --gpu {gpu}" if gpu else ""
        raise InputError(
            f"never measured: {_name(avatar, output, gpu)} (measured: {known}). No figure is made up here: on such "
            f"a machine run `{MEASURE} --avatar {avatar}{provider} --file FILE`, then `lipstream plan` with "
            "`--coefficients FILE`",
            field="gpu" if gpu else "avatar",
        )

    def with_one(self, measurement: Measurement) -> "Coefficients":
        """The same with one more, in the place of an older one of the same."""
        others = [each for each in self.measurements if each.what != measurement.what]
        return Coefficients(measurements=(*others, measurement))


def _name(avatar: str, output: Output, gpu: str | None) -> str:
    where = f"GPU '{gpu}'" if gpu else "CPUs"
    return f"avatar '{avatar}', output {output}, on {where}"


def default_file() -> Path:
    """The measurements that ship."""
    return Path(str(files("cli.plan"))) / "coefficients.yaml"


def load(path: Path) -> Coefficients:
    """Read a file of measurements.

    Raises
    ------
    InputError
        It cannot be read, or is not of this form.
    """
    try:
        return Coefficients.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read {path}: {error}", field="coefficients") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise InputError(
            f"{path}: {place}: {fault['msg']}; `{MEASURE}` writes such files", field="coefficients"
        ) from error


def save(path: Path, coefficients: Coefficients) -> None:
    """Write a file of measurements, readable and with the figures as they were rounded."""
    head = f"# Written by `{MEASURE}`; read by `lipstream plan` and the simulation. Times are milliseconds.\n"
    content = coefficients.model_dump(mode="json")
    path.write_text(head + yaml.safe_dump(content, sort_keys=False, width=120), encoding="utf-8")

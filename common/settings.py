"""The configuration: environment, `.env` and an optional YAML file, validated once at start and then frozen.

Precedence: explicit arguments, environment (`LIPSTREAM_REDIS_URL`), `.env`, the YAML file, the defaults below.
Unknown keys are refused wherever they come from.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from dotenv import dotenv_values
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from common.contracts import NAME_PATTERN
from common.errors import SettingsError

PREFIX = "LIPSTREAM_"


def _without_separators(secret: SecretStr) -> SecretStr:
    # The environment separates the pairs by commas.
    if any(character == "," or character.isspace() for character in secret.get_secret_value()):
        raise ValueError("a secret must hold neither commas nor white space")
    return secret


KeyName = Annotated[str, Field(pattern=NAME_PATTERN)]
KeySecret = Annotated[SecretStr, Field(min_length=16), AfterValidator(_without_separators)]
Names = Annotated[tuple[str, ...], NoDecode]
"""Comma separated in the environment."""


class Settings(BaseSettings):
    """Every setting, with its unit in its name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    # where things are
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0", repr=False, description="one of the forms in common/redis_address.py"
    )
    redis_username: str = Field("", description="beside redis_password; empty: Redis' default user")
    redis_password: SecretStr | None = Field(None, min_length=1, description="instead of one in redis_url")
    redis_ca_file: Path | None = Field(None, description="PEM of the authority behind rediss://; None: the system's")
    redis_cert_file: Path | None = Field(None, description="PEM of our certificate, where Redis asks for one")
    redis_key_file: Path | None = Field(None, description="PEM of its key")
    sentinel_username: str = Field("", description="user of the sentinels; empty: their default one")
    sentinel_password: SecretStr | None = Field(None, min_length=1, description="the sentinels' own")
    host: str = Field("127.0.0.1", description="address that the gateway listens on, and a worker's metrics")
    port: int = Field(3000, ge=1, le=65535, description="port that the gateway listens on")
    avatars_dir: Path | None = Field(None, description="folder of avatar packages; None: those that ship")
    avatars: Names = Field(("demo",), description="avatars that this process loads")

    # models
    provider: Literal["cpu", "cuda"] = Field("cpu", description="ONNX Runtime provider; missing is an error")
    model_threads: PositiveInt = Field(
        1, le=256, description="ONNX Runtime threads of one inference worker; other numbers may give other low bits"
    )
    jpeg_quality: int = Field(85, ge=1, le=100, description="quality of the frames that clients get")

    # workers
    batch_max: PositiveInt = Field(16, le=256, description="tasks that a worker takes at once")
    max_wait_ms: float = Field(2.0, ge=0, le=100, description="how long a busy inference worker waits to fill a batch")
    block_ms: PositiveInt = Field(250, le=5_000, description="longest blocking read; bounds the reaction to SIGTERM")
    reclaim_idle_ms: PositiveInt = Field(
        400, ge=50, description="a task idle for longer is taken from its worker: bounds the stall when one dies"
    )
    work_max_s: PositiveFloat = Field(
        60.0, description="a worker that is busy with one batch for longer hangs, and ends"
    )
    max_attempts: PositiveInt = Field(5, le=100, description="deliveries after which a task goes to the dead letters")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="where a worker tells of itself; 0: nowhere. `up` counts on from it"
    )
    heartbeat_s: PositiveFloat = Field(2.0, description="how often workers and sessions say that they are alive")
    blob_inline_bytes: PositiveInt = Field(65_536, description="larger payloads go to a blob key")
    blob_ttl_s: PositiveInt = Field(60, description="expiry of a blob")

    # sessions
    audio_ring_frames: PositiveInt = Field(512, description="audio ring of a session; 1.3 kB a frame")
    frame_ring_slots: PositiveInt = Field(96, description="frame ring of a session; about 60 kB a 720p frame")
    in_flight_frames: PositiveInt = Field(64, description="frames of a session that may be under way at once")
    task_frames: PositiveInt = Field(8, le=256, description="most frames in one task")
    frame_deadline_ms: PositiveInt = Field(2_000, description="a live frame later than this is concealed")
    lossless_deadline_ms: PositiveInt = Field(30_000, description="the same for sessions that asked for every frame")
    flush_after_ms: PositiveInt = Field(600, description="a pause in the arriving audio that ends a segment")
    skip_after_ms: PositiveInt = Field(
        1_000, description="a live frame that waits for longer to be worked on is skipped"
    )
    resume_s: PositiveInt = Field(30, description="how long a session waits for a client that was cut off")
    resume_token_s: PositiveInt = Field(86_400, description="life of a token that resumes a session")
    outage_s: PositiveFloat = Field(10.0, description="how long a session outlives an unreachable or full Redis")
    session_ttl_s: PositiveInt = Field(120, description="expiry of a session's keys after its last sign of life")
    max_sessions: PositiveInt = Field(100, description="sessions that one gateway admits")
    message_max_bytes: PositiveInt = Field(1_048_576, description="largest WebSocket message that is accepted")
    intake_bytes: PositiveInt = Field(2_097_152, description="audio of a session that may wait to be taken")
    stats_interval_s: PositiveFloat = Field(1.0, description="how often a session is told its own numbers")

    # recordings
    record: Literal["off", "asked", "all"] = Field("off", description="which sessions are recorded")
    recordings_url: str = Field("recordings", min_length=1, description="folder, or URL as s3://bucket/folder")
    recordings_keep_days: PositiveFloat | None = Field(
        None, le=36_500, description="older recordings are removed by the jobs workers, hourly; None: kept"
    )
    record_pictures: bool = Field(False, description="keep the pictures too, some 60 kB a 720p frame")

    # background jobs
    jobs_url: str = Field("jobs", min_length=1, description="uploads and results: folder, or URL as s3://bucket/folder")
    jobs_keep_s: PositiveInt = Field(86_400, ge=60, description="how long a job waits at most, and its result is kept")
    jobs_queue_max: PositiveInt = Field(100, description="jobs that may wait; more are refused")
    jobs_retries: int = Field(3, ge=0, le=20, description="further tries of a job after a fault that may pass")
    jobs_upload_bytes: PositiveInt = Field(67_108_864, description="largest audio file that is taken to be rendered")
    jobs_audio_s: PositiveInt = Field(1_200, description="longest audio that is rendered")
    jobs_render_s: PositiveInt = Field(3_600, description="time limit of rendering a file")
    jobs_export_s: PositiveInt = Field(3_600, description="time limit of exporting a recording")
    jobs_frames_s: PositiveInt = Field(600, description="time limit of building an avatar's frames")
    jobs_prune_s: PositiveInt = Field(600, description="time limit of pruning recordings")

    # overload
    admit_by_load: bool = Field(True, description="refuse new sessions that the workers cannot bear")
    load_poll_s: PositiveFloat = Field(0.5, le=10, description="how often a gateway looks at queues and workers")
    queue_age_high_ms: PositiveInt = Field(500, description="new sessions are refused while tasks wait for longer")
    queue_age_low_ms: PositiveInt = Field(100, description="they are admitted again once no task waits for so long")
    queue_age_samples: PositiveInt = Field(4, le=100, description="looks in a row that must agree on either")
    capacity_share: float = Field(0.85, gt=0, le=1, description="share of the measured capacity that sessions may take")

    # doors
    api_keys: Annotated[dict[KeyName, KeySecret], NoDecode] = Field(
        {}, description="name:secret pairs, comma separated in the environment; none: only this machine is served"
    )
    session_secret: SecretStr | None = Field(None, min_length=32, description="signs session tokens (HMAC-SHA256)")
    session_token_max_s: PositiveInt = Field(3_600, le=86_400, description="longest life of a session token")
    open_to_all: bool = Field(False, description="serve sessions to everybody, without a key")
    allowed_origins: Names = Field(
        (), description="web origins other than the gateway's own that may use it, as https://app.example.com; * is all"
    )
    sessions_per_key: PositiveInt = Field(20, description="sessions that one key may have open at once")
    starts_per_minute: PositiveInt = Field(60, description="sessions and speech-service secrets that a key may begin")
    messages_per_s: PositiveInt = Field(1_000, description="messages that are read of one client, on average")
    slow_client_s: PositiveFloat = Field(10.0, description="a client that takes nothing for so long is closed")
    tls_cert_file: Path | None = Field(
        None, description="PEM of the certificate for https and wss, and for a worker's metrics; None: no TLS"
    )
    tls_key_file: Path | None = Field(None, description="PEM of its key")

    # the speech service behind /token
    openai_api_key: SecretStr | None = Field(None, min_length=1, description="never leaves the gateway")
    openai_base_url: str = Field("https://api.openai.com", pattern=r"^https?://", description="without the /v1")
    openai_model: str = Field("gpt-realtime", min_length=1, description="model of the ephemeral sessions")
    openai_voice: str = Field("marin", min_length=1, description="voice of the ephemeral sessions")
    openai_instructions: str = Field("", description="what the model is told; empty: the service's default")
    openai_timeout_s: PositiveFloat = Field(10.0, description="how long the speech service may take to answer")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = Field("text", description="lines for people, or a JSON object a line")
    otel_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="OTLP collector, as http://collector:4318; None: no traces"
    )
    otel_share: float = Field(0.01, ge=0, le=1, description="share of the sessions that are traced")

    @model_validator(mode="before")
    @classmethod
    def _split_texts(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        lists = {name: _split(data[name]) for name in ("avatars", "allowed_origins") if isinstance(data.get(name), str)}
        pairs = {"api_keys": _pairs(data["api_keys"])} if isinstance(data.get("api_keys"), str) else {}
        return data | lists | pairs

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.in_flight_frames > self.frame_ring_slots:
            raise ValueError("in_flight_frames must not exceed frame_ring_slots, or frames overwrite each other")
        if self.audio_ring_frames < self.in_flight_frames + 100:
            raise ValueError("audio_ring_frames must exceed in_flight_frames by 100, the models' look-back and -ahead")
        if self.queue_age_low_ms >= self.queue_age_high_ms:
            raise ValueError("queue_age_low_ms must be below queue_age_high_ms, or admission flutters")
        if self.task_frames > self.in_flight_frames:
            raise ValueError("task_frames must not exceed in_flight_frames")
        if self.frame_deadline_ms < 2 * self.reclaim_idle_ms:
            raise ValueError("frame_deadline_ms must be at least twice reclaim_idle_ms, or a lost worker costs frames")
        if self.skip_after_ms < 2 * self.reclaim_idle_ms:
            raise ValueError("skip_after_ms must be at least twice reclaim_idle_ms, or a lost worker costs frames")
        if self.session_ttl_s < self.resume_s:
            raise ValueError("session_ttl_s must not be below resume_s, or there is nothing to come back to")
        return self

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if (self.redis_cert_file is None) != (self.redis_key_file is None):
            raise ValueError("redis_cert_file and redis_key_file go together")
        if (self.redis_ca_file or self.redis_cert_file) and not self.redis_url.startswith("rediss"):
            raise ValueError("redis_ca_file and redis_cert_file are for a redis_url that begins with rediss")
        if self.redis_username and self.redis_password is None:
            raise ValueError("redis_username needs redis_password")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load` merges the sources itself, so that unknown keys of each are seen.
        return (init_settings,)


def load(config: Path | None = None, *, env_file: Path = Path(".env"), **overrides: Any) -> Settings:
    """Read and check the settings.

    Parameters
    ----------
    config : a YAML file of `name: value` lines.
    env_file : a dotenv file, ignored when it is not there; only its `LIPSTREAM_` lines are read.
    overrides : values that win over every source; None means not given.

    Raises
    ------
    SettingsError
        A value is out of range, a key is unknown, or the file cannot be read. Every fault is listed.
    """
    values = _from_yaml(config) if config else {}
    values |= _from_environment(dotenv_values(env_file)) | _from_environment(os.environ)
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _pairs(text: str) -> dict[str, str]:
    """`name:secret` pairs; a secret may hold colons."""
    pairs = [pair.partition(":") for pair in _split(text)]
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("api_keys: a name stands twice")
    return {name: secret for name, _, secret in pairs}


def _from_environment(environment: Any) -> dict[str, Any]:
    return {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}


def _from_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"cannot read {path}: {error}", field="config") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold `name: value` lines", field="config")
    return {str(name): tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _explain(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"])
        message = "unknown setting" if fault["type"] == "extra_forbidden" else fault["msg"]
        lines.append(f"{name}: {message}" if name else message.removeprefix("Value error, "))
    return "; ".join(lines)

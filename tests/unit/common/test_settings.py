"""Where settings come from, and what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from common.errors import SettingsError
from common.settings import Settings, load


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("LIPSTREAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_valid() -> None:
    assert load() == Settings()


def test_arguments_win_over_environment_over_dotenv_over_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "lipstream.yaml"
    config.write_text("port: 1001\njpeg_quality: 50\nbatch_max: 3\nmodel_threads: 2\n")
    (tmp_path / ".env").write_text("LIPSTREAM_PORT=1002\nLIPSTREAM_JPEG_QUALITY=60\nLIPSTREAM_BATCH_MAX=4\nOTHER=1\n")
    monkeypatch.setenv("LIPSTREAM_PORT", "1003")
    monkeypatch.setenv("LIPSTREAM_JPEG_QUALITY", "70")
    settings = load(config, port=1004, host=None)
    found = settings.port, settings.jpeg_quality, settings.batch_max, settings.model_threads
    assert found == (1004, 70, 4, 2)


def test_avatars_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPSTREAM_AVATARS", "demo, other")
    assert load().avatars == ("demo", "other")


def test_an_unknown_key_is_refused_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("prot: 1\n")
    with pytest.raises(SettingsError, match="prot: unknown setting"):
        load(config)
    (tmp_path / ".env").write_text("LIPSTREAM_PROT=1\n")
    with pytest.raises(SettingsError, match="prot: unknown setting"):
        load()
    (tmp_path / ".env").unlink()
    monkeypatch.setenv("LIPSTREAM_PROT", "1")
    with pytest.raises(SettingsError, match="prot: unknown setting"):
        load()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"port": 0}, "port: Input should be greater than or equal to 1"),
        ({"reclaim_idle_ms": 49}, "reclaim_idle_ms: Input should be greater than or equal to 50"),
        ({"in_flight_frames": 97}, "in_flight_frames must not exceed frame_ring_slots"),
        ({"audio_ring_frames": 100}, "audio_ring_frames must exceed in_flight_frames"),
        ({"task_frames": 65}, "task_frames must not exceed in_flight_frames"),
        ({"frame_deadline_ms": 799}, "frame_deadline_ms must be at least twice reclaim_idle_ms"),
        ({"session_secret": "short"}, "session_secret: Value should have at least 32 items"),
        ({"api_keys": "app:short"}, "api_keys.app: Value should have at least 16 items"),
        ({"api_keys": "no-pair-but-long-enough"}, "api_keys.no-pair-but-long-enough: Value should have at least 16"),
        ({"api_keys": {"app": "with, separators in it"}}, "neither commas nor white space"),
        ({"api_keys": "a:0123456789abcdef,a:fedcba9876543210"}, "api_keys: a name stands twice"),
        ({"openai_api_key": ""}, "openai_api_key: Value should have at least 1 item"),
        ({"openai_base_url": "ftp://x"}, "openai_base_url: String should match pattern"),
        ({"session_token_max_s": 86_401}, "session_token_max_s: Input should be less than or equal to 86400"),
        ({"provider": "tpu"}, "provider: Input should be 'cpu' or 'cuda'"),
        ({"redis_cert_file": "own.pem"}, "redis_cert_file and redis_key_file go together"),
        ({"tls_key_file": "own.key"}, "tls_cert_file and tls_key_file go together"),
        ({"redis_ca_file": "ca.pem"}, "redis_ca_file and redis_cert_file are for a redis_url that begins with rediss"),
        ({"redis_username": "me"}, "redis_username needs redis_password"),
        ({"otel_endpoint": "collector:4318"}, "otel_endpoint: String should match pattern"),
    ],
)
def test_a_value_that_breaks_something_is_refused_with_what_it_breaks(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**changes)
    assert message in str(caught.value)


SECRETS = {
    "api_keys": "app:app-secret:with-colon,ops:ops-secret-ops-secret",
    "session_secret": "0123456789abcdef0123456789abcdef",
    "openai_api_key": "sk-0123456789",
    "redis_url": "redis+sentinel://:of-the-url@one/talk",
    "redis_password": "of-redis",
    "sentinel_password": "of-the-sentinels",
}


def test_keys_are_pairs_by_commas_or_a_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("api_keys:\n  app: app-secret:with-colon\n  ops: ops-secret-ops-secret\n")
    monkeypatch.setenv("LIPSTREAM_API_KEYS", SECRETS["api_keys"])
    assert load().api_keys == Settings(api_keys=load(config).api_keys).api_keys
    assert load().api_keys["app"].get_secret_value() == "app-secret:with-colon"
    monkeypatch.setenv("LIPSTREAM_ALLOWED_ORIGINS", "https://a.example, https://b.example")
    assert load().allowed_origins == ("https://a.example", "https://b.example")


def test_no_secret_shows_when_settings_are_printed_or_refused() -> None:
    settings = load(**SECRETS)
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    with pytest.raises(SettingsError) as caught:
        load(**SECRETS, in_flight_frames=97, port=0)
    shown += f"{caught.value!r} {caught.value.__cause__}"
    for secret in ("app-secret", "ops-secret", "0123456789", "of-redis", "of-the-sentinels"):
        assert secret not in shown
    assert "of-the-url" not in f"{settings!r} {settings}"


@pytest.mark.parametrize("content", ["- a\n- b\n", ": :", "\x00"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(content)
    with pytest.raises(SettingsError):
        load(config)
    with pytest.raises(SettingsError, match="cannot read"):
        load(tmp_path / "missing.yaml")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load().port = 1  # type: ignore[misc]


def test_every_setting_is_used_somewhere() -> None:
    root = Path(__file__).parents[3]
    folders = ("common", "workers", "gateway", "cli")
    sources = [p.read_text() for folder in folders for p in (root / folder).rglob("*.py") if p.name != "settings.py"]
    # Other things have a `.host` or a `.record` too.
    used = {name for source in sources for name in re.findall(r"\bsettings\.(\w+)", source)}
    assert set(Settings.model_fields) - used == set()


def test_the_example_names_only_settings_that_there_are_and_shows_valid_values(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / ".env.example"
    lines = [line.removeprefix("# ") for line in example.read_text().splitlines() if line.startswith("# LIPSTREAM_")]
    (tmp_path / ".env").write_text("\n".join(lines))
    settings = load(env_file=tmp_path / ".env")
    assert len(lines) == len(settings.model_fields_set)
    unlike = {
        "avatars_dir", "api_keys", "session_secret", "allowed_origins", "openai_api_key", "redis_username",
        "redis_password", "sentinel_username", "sentinel_password", "tls_cert_file", "tls_key_file", "otel_endpoint",
        "recordings_keep_days",
    }  # fmt: skip
    shown = {name: value for name, value in settings.model_dump(exclude_unset=True).items() if name not in unlike}
    assert shown == {name: getattr(Settings(), name) for name in shown}

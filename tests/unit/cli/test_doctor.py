"""The doctor finds what is there and what is not, and says how to get it."""

from pathlib import Path

import pytest

from cli import embedded_redis
from cli.doctor import Check, examine
from common.settings import Settings


def findings(settings: Settings, **changes: object) -> dict[str, Check]:
    return {check.name: check for check in examine(Settings(**(settings.model_dump(exclude_unset=True) | changes)))}


def test_on_this_machine_nothing_is_missing(settings: Settings, unused_tcp_port: int) -> None:
    found = findings(settings, port=unused_tcp_port)
    assert [check for check in found.values() if check.status == "missing"] == []
    assert {"python", "embedded redis", "port", "provider cpu", "encoder libx264", "avatar tiny"} <= set(found)
    assert found["avatar tiny"].detail.endswith("loads and runs on cpu")
    assert "redis_url" not in found


def test_a_taken_port_is_found(settings: Settings, taken_port: int) -> None:
    check = findings(settings, port=taken_port)["port"]
    assert check.status == "missing"
    assert str(taken_port) in check.detail
    assert "choose another port" in check.remedy


def test_a_redis_that_was_named_is_asked(settings: Settings) -> None:
    check = findings(settings, redis_url="redis://127.0.0.1:1")["redis_url"]
    assert (check.status, check.detail[:18]) == ("missing", "cannot reach Redis")


def test_no_server_to_embed_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_redis, "candidates", list)
    check = findings(settings)["embedded redis"]
    assert (check.status, "install Redis 6.2" in check.remedy) == ("missing", True)


def test_an_unknown_avatar_is_found_and_those_that_exist_are_named(settings: Settings) -> None:
    check = findings(settings, avatars=("nobody",))["avatar nobody"]
    assert (check.status, check.remedy.rpartition(": ")[2]) == ("missing", "reference, tiny")


def test_a_broken_avatar_is_found(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "avatar.json").write_text("{}")
    assert findings(settings, avatars_dir=tmp_path)["avatar tiny"].status == "missing"


def test_a_provider_that_lacks_is_a_note_unless_it_was_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    assert findings(settings)["provider cuda"].status == "note"
    asked = findings(settings, provider="cuda")
    assert asked["provider cuda"].status == "missing"
    assert "onnxruntime-gpu" in asked["provider cuda"].remedy
    assert asked["avatar tiny"].status == "missing"

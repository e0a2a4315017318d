"""`lipstream plan` as a user types it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from cli.main import Options, app
from cli.plan.coefficients import Coefficients, save
from cli.plan.plan import Plan
from common.errors import AvatarError, InputError
from tests.measured import measured


@pytest.fixture
def given(avatars_folder: Path, tmp_path: Path) -> tuple[object, ...]:
    """A measured avatar of the tests."""
    save(tmp_path / "mine.yaml", Coefficients(measurements=(measured(),)))
    return "--coefficients", tmp_path / "mine.yaml", "--avatars-dir", avatars_folder


def lipstream(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], obj=Options())


def answer(*arguments: object) -> Any:
    result = lipstream("plan", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_json_is_of_its_schema_and_adds_up(given: tuple[object, ...]) -> None:
    found = answer("--sessions", 100, "--avatar", "tiny", *given)
    jsonschema.validate(found, Plan.model_json_schema(mode="serialization"))
    assert (found["shards"], found["sessions_per_shard"], found["shard_ended_by"]) == (4, 25, "redis")
    assert {pods["stage"]: pods["total"] for pods in found["pods"]} == {
        "gateway": 16, "audio": 20, "inference": 48, "compositor": 20,
    }  # fmt: skip
    assert found["redis"]["busy"] == 25 * 25 * 1.0 / 1000
    assert found["redis"]["in_mb_per_s"] == round(25 * 25 * 0.3, 1)
    assert found["clients"]["to_clients_mbit_per_s"] == round(100 * 25 * 60_040 * 8 / 1e6, 1)
    for of in {driver["of"] for driver in found["drivers"]}:
        shares = [driver["share"] for driver in found["drivers"] if driver["of"] == of]
        assert sum(shares) == pytest.approx(1, abs=0.01)
        assert shares == sorted(shares, reverse=True)


def test_people_get_tables_that_say_what_they_rest_on(given: tuple[object, ...]) -> None:
    result = lipstream("plan", "--sessions", 100, "--avatar", "tiny", *given)
    assert result.exit_code == 0, result.output
    for text in ("4 of 25 sessions", "the busiest Redis server", "inference", "a machine of tests", "2026-01-02"):
        assert text in result.stdout


def test_the_demo_avatar_can_be_planned_for_at_once() -> None:
    whole, mouths = (answer("--sessions", 1_000, "--output", output) for output in ("frame", "patch"))
    assert whole["clients"]["to_clients_mbit_per_s"] > 4 * mouths["clients"]["to_clients_mbit_per_s"]
    assert whole["redis"]["maxmemory_mb"] / whole["sessions_per_shard"] == pytest.approx(9 * 1.2, rel=0.1)


def test_an_unknown_avatar_is_named(given: tuple[object, ...]) -> None:
    result = lipstream("plan", "--sessions", 1, "--avatar", "nobody", *given)
    assert isinstance(result.exception, AvatarError)
    assert "nobody" in result.exception.message


def test_an_avatar_that_was_never_measured_is_told_how_to(given: tuple[object, ...]) -> None:
    result = lipstream("plan", "--sessions", 1, "--avatar", "reference", *given)
    assert isinstance(result.exception, InputError)
    assert "python -m bench.coefficients --avatar reference" in result.exception.message


def test_a_gpu_without_figures_is_refused(given: tuple[object, ...]) -> None:
    result = lipstream("plan", "--sessions", 1, "--avatar", "tiny", "--gpu", "H100", *given)
    assert isinstance(result.exception, InputError)
    assert "--provider cuda --gpu H100" in result.exception.message


def test_a_measured_gpu_is_planned_with_the_pool_of_its_overlay(avatars_folder: Path, tmp_path: Path) -> None:
    costs = {**measured().costs, "inference": {"batch_ms": 4, "task_ms": 1, "frame_ms": 0.5}}
    save(tmp_path / "gpu.yaml", Coefficients(measurements=(measured(gpu="made-up", costs=costs),)))
    rest = ("--avatar", "tiny", "--gpu", "made-up", "--avatars-dir", avatars_folder)
    found = answer("--sessions", 100, "--coefficients", tmp_path / "gpu.yaml", *rest)
    (inference,) = (pods for pods in found["pods"] if pods["stage"] == "inference")
    assert (inference["autoscaling_min"], inference["autoscaling_max"]) == (2, 10)
    assert inference["per_shard"] == 2

"""The variables of manifests and compose file are settings, and processes start with them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.settings import PREFIX, Settings, load
from gateway.doors.doors import check as check_doors
from tests.unit.deploy import compose
from tests.unit.deploy.manifests import OVERLAYS, ROOT, environment, name_of, named, of_kind, ours, pod_of

THIS_MACHINE = "127.0.0.1"
PROBED = {"metrics_port"}
"""Off by default; probes and Prometheus ask there."""


def processes() -> Iterator[tuple[str, dict[str, str]]]:
    """Every process that is deployed anywhere, with what it gets."""
    for overlay in OVERLAYS:
        for workload in ours(overlay):
            (container,) = pod_of(workload)["containers"]
            yield f"{overlay}/{name_of(workload)}", environment(overlay, container)
    for name, service in compose.ours().items():
        yield f"compose/{name}", compose.environment(service)


every_process = pytest.mark.parametrize(("name", "values"), [pytest.param(*each, id=each[0]) for each in processes()])


@every_process
def test_every_variable_is_a_setting_and_its_value_is_valid(
    name: str, values: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = started(values, monkeypatch, tmp_path)
    assert settings.redis_url == values["LIPSTREAM_REDIS_URL"]


@every_process
def test_every_setting_that_a_deployment_cannot_do_without_is_there(name: str, values: dict[str, str]) -> None:
    said = {key.removeprefix(PREFIX).lower() for key in values if key.startswith(PREFIX)}
    assert required() <= said


def test_what_a_deployment_cannot_do_without_is_what_names_this_machine() -> None:
    assert required() == {"redis_url", "host", "metrics_port"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_gateway_of_the_manifests_may_listen_to_the_world(
    overlay: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (container,) = pod_of(named(overlay, "Deployment", "gateway"))["containers"]
    settings = started(environment(overlay, container), monkeypatch, tmp_path)
    check_doors(settings)
    assert settings.host == "0.0.0.0"
    assert settings.api_keys
    assert not settings.open_to_all


def test_the_gateways_of_the_compose_file_may_listen_to_the_world(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("gateway-1", "gateway-2"):
        check_doors(started(compose.environment(compose.services()[name]), monkeypatch, tmp_path))


def test_the_compose_file_does_not_start_without_a_key() -> None:
    assert "${LIPSTREAM_API_KEYS:?" in (ROOT / "docker-compose.yml").read_text()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_of_containers_are_those_of_the_settings(
    overlay: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for workload in ours(overlay):
        (container,) = pod_of(workload)["containers"]
        settings = started(environment(overlay, container), monkeypatch, tmp_path)
        wanted = settings.port if name_of(workload) == "gateway" else settings.metrics_port
        assert [port["containerPort"] for port in container["ports"]] == [wanted], name_of(workload)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_role_has_an_address_of_redis_of_its_own(overlay: str) -> None:
    for workload in ours(overlay):
        (container,) = pod_of(workload)["containers"]
        (entry,) = (each for each in container["env"] if each["name"] == "LIPSTREAM_REDIS_URL")
        role = container["args"][-1]
        assert entry["valueFrom"]["secretKeyRef"] == {"name": redis_secret(overlay), "key": role}


def test_only_gateways_know_the_keys_of_clients() -> None:
    for overlay in OVERLAYS:
        for workload in ours(overlay):
            knows = "lipstream-doors" in str(pod_of(workload))
            assert knows == (name_of(workload) == "gateway"), name_of(workload)


def test_a_gpu_is_computed_on_where_one_is_asked_for() -> None:
    for workload in ours("prod-gpu"):
        (container,) = pod_of(workload)["containers"]
        wants = "nvidia.com/gpu" in container["resources"]["limits"]
        assert wants == (environment("prod-gpu", container).get("LIPSTREAM_PROVIDER") == "cuda"), name_of(workload)
        assert wants == container["image"].rpartition(":")[0].endswith("-gpu")
        assert wants == name_of(workload).startswith("inference")


def test_every_variable_that_the_image_sets_is_a_setting() -> None:
    said = re.findall(r"LIPSTREAM_[A-Z_]+", (ROOT / "Dockerfile").read_text())
    assert said
    assert {name.removeprefix(PREFIX).lower() for name in said} <= Settings.model_fields.keys()


def required() -> set[str]:
    """Settings without a default, those whose default means this machine, and those that probes need."""
    fields = Settings.model_fields.items()
    return {name for name, field in fields if field.is_required() or THIS_MACHINE in str(field.default)} | PROBED


def started(values: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The settings of a process with this environment, read as it reads them."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return load(env_file=tmp_path / ".env")


def redis_secret(overlay: str) -> str:
    generated = [name_of(each) for each in of_kind(overlay, "Secret")]
    return generated[0] if generated else "lipstream-redis"

"""One machine's installation: complete, contained, and wired to what is there."""

import re
from typing import Any

import pytest
import yaml
from starlette.applications import Starlette

from common.settings import Settings
from gateway.http.workers import STAGES
from gateway.main import configure
from tests.scaling.rules import seconds
from tests.unit.deploy.compose import compose, environment, ours, services
from tests.unit.deploy.manifests import ROOT, containers

every_service = pytest.mark.parametrize("name", services())


def test_everything_is_there() -> None:
    assert services().keys() == {
        "redis", "gateway-1", "gateway-2", "proxy", *STAGES, "inference-gpu", "jobs", "prometheus", "grafana",
    }  # fmt: skip


@every_service
def test_every_service_is_contained(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["cpus"] > 0
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert not {"privileged", "network_mode", "pid"} & service.keys()
    assert name in ours() or service["user"].split(":")[0] != "0", "ours have the user of the image"


@every_service
def test_every_image_names_its_version(name: str) -> None:
    tag = services()[name]["image"].rpartition(":")[2]
    assert tag.removeprefix("v")[0].isdigit()


@every_service
def test_what_is_mounted_is_there(name: str) -> None:
    for mount in services()[name].get("volumes", ()):
        source, _, target = mount.partition(":")
        if not source.startswith("."):
            assert source in compose()["volumes"], mount
            continue
        assert target.endswith(":ro"), mount
        assert (ROOT / source).exists(), mount


@every_service
def test_nothing_is_published_beyond_this_machine_unless_told(name: str) -> None:
    ports = services()[name].get("ports", [])
    assert bool(ports) == (name in {"proxy", "grafana"})
    assert all("127.0.0.1:" in port for port in ports)


def test_redis_is_reached_from_the_inside_alone_and_keeps_what_it_has() -> None:
    redis = services()["redis"]
    assert redis["networks"] == ["inside"]
    assert compose()["networks"]["inside"]["internal"] is True
    for option in ("--appendonly yes", "--maxmemory 512mb", "--maxmemory-policy noeviction"):
        assert option in redis["command"]


def test_a_gpu_is_asked_for_by_its_profile_alone() -> None:
    for name, service in services().items():
        assert (service.get("profiles") == ["gpu"]) == (name == "inference-gpu")
    gpu = services()["inference-gpu"]
    assert environment(gpu)["LIPSTREAM_PROVIDER"] == "cuda"
    assert gpu["build"]["target"] == "gpu"


def test_every_process_has_the_time_that_its_end_takes() -> None:
    closing_s = configure(Settings(), Starlette()).timeout_graceful_shutdown or 0
    for name, service in ours().items():
        assert seconds(service["stop_grace_period"]) >= (closing_s + 2 if name.startswith("gateway") else 8), name


def test_health_is_asked_for_where_it_is_told() -> None:
    for name, service in ours().items():
        url = environment(service).get("HEALTH_URL")
        assert url == ("http://127.0.0.1:3000/readyz" if name.startswith("gateway") else None), name


@every_service
def test_every_service_is_asked_how_it_is(name: str) -> None:
    service = services()[name]
    # Ours are asked by what their image says.
    assert ("healthcheck" in service) == (name not in ours())
    if name not in ours():
        check = service["healthcheck"]
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        assert check["retries"] * seconds(check["interval"]) <= 60


def test_the_proxy_answers_for_itself_where_it_is_asked_and_to_this_container_alone() -> None:
    (url,) = re.findall(r"http://\S+(?=/)", str(services()["proxy"]["healthcheck"]["test"]))
    caddy = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    assert f"{url} {{\n\tbind 127.0.0.1\n\trespond ok\n}}" in caddy


def test_the_proxy_knows_both_gateways_hides_the_metrics_and_asks_who_is_ready() -> None:
    caddy = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    for line in (
        "reverse_proxy gateway-1:3000 gateway-2:3000 {",
        "respond /metrics 404",
        "health_uri /readyz",
        "flush_interval -1",
    ):
        assert line in caddy
    assert set(services()["proxy"]["networks"]) & set(services()["gateway-1"]["networks"]) == {"front"}


def test_prometheus_asks_every_process() -> None:
    config: Any = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    (gateways,) = jobs["gateway"]["static_configs"]
    (workers,) = jobs["workers"]["dns_sd_configs"]
    asked = {target.partition(":")[0] for target in gateways["targets"]} | set(workers["names"])
    assert asked == ours().keys()
    assert workers["port"] == 9100
    assert "inside" in services()["prometheus"]["networks"]


def test_grafana_has_the_dashboard_and_its_source() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((folder / "dashboards" / "lipstream.yaml").read_text())["providers"]
    mounts = services()["grafana"]["volumes"]
    assert f"./deploy/grafana/lipstream.json:{provider['options']['path']}/lipstream.json:ro" in mounts


def test_one_machine_gives_a_process_what_a_cluster_gives_it() -> None:
    gigabyte = {"m": 1 / 1024, "g": 1, "Mi": 1 / 1024, "Gi": 1}
    for name, container in containers("dev"):
        service = services()["gateway-1" if name == "gateway" else name]
        limit = container["resources"]["limits"]
        assert amount(service["mem_limit"], gigabyte) == amount(limit["memory"], gigabyte), name
        assert service["cpus"] == int(limit["cpu"]), name


def amount(text: str, units: dict[str, float]) -> float:
    number = text.rstrip("giGMm")
    return float(number) * units[text[len(number) :]]

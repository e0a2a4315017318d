"""The autoscalers: on what, between which bounds, and by which numbers."""

import re
from typing import Any

import pytest
import yaml

from cli.plan.model import Load
from common.settings import Settings
from gateway.http.workers import STAGES
from tests.scaling.rules import seconds
from tests.unit.deploy.kustomize import Object
from tests.unit.deploy.manifests import PRODUCTION, ROOT, labels_of, name_of, named, of_kind, pod_of
from tests.unit.deploy.promised import exported, spoken_of
from tests.unit.deploy.schemas import check

in_production = pytest.mark.parametrize("overlay", PRODUCTION)


@in_production
def test_every_worker_stage_scales_and_so_do_the_gateways(overlay: str) -> None:
    scaled = [named(overlay, "Deployment", target(each)) for each in of_kind(overlay, "ScaledObject")]
    assert {labels_of(each)["lipstream/stage"] for each in scaled} == set(STAGES)
    assert [target(each) for each in of_kind(overlay, "HorizontalPodAutoscaler")] == ["gateway"]


@in_production
def test_nobody_else_counts_the_pods_of_what_scales(overlay: str) -> None:
    scalers = of_kind(overlay, "ScaledObject", "HorizontalPodAutoscaler")
    names = [target(each) for each in scalers]
    assert len(set(names)) == len(names)
    for name in names:
        assert "replicas" not in named(overlay, "Deployment", name)["spec"], name


@in_production
def test_every_stage_always_has_a_warm_worker(overlay: str) -> None:
    floor = dict.fromkeys(STAGES, 0)
    scaled = {target(each): each["spec"]["minReplicaCount"] for each in of_kind(overlay, "ScaledObject")}
    for deployment in of_kind(overlay, "Deployment"):
        if stage := labels_of(deployment).get("lipstream/stage"):
            floor[stage] += scaled.get(name_of(deployment), deployment["spec"].get("replicas", 1))
    assert all(count >= 2 for count in floor.values()), floor


def test_gpus_beyond_the_floor_are_given_back() -> None:
    burst = named("prod-gpu", "ScaledObject", "inference-burst")
    assert burst["spec"]["minReplicaCount"] == 0
    assert pod_of(named("prod-gpu", "Deployment", "inference-burst"))["priorityClassName"] == "lipstream-burst"
    floor = named("prod-gpu", "Deployment", "inference")["spec"]["replicas"]
    (query,) = (each["metadata"]["query"] for each in burst["spec"]["triggers"] if each["name"] == "backlog")
    assert f"- {floor * Settings().batch_max}" in query, "what the floor takes in one batch each"


@in_production
def test_the_signals_are_age_and_backlog_of_the_own_stage(overlay: str) -> None:
    for each in of_kind(overlay, "ScaledObject"):
        stage = labels_of(named(overlay, "Deployment", target(each)))["lipstream/stage"]
        queries = {trigger["name"]: trigger["metadata"]["query"] for trigger in each["spec"]["triggers"]}
        assert set(queries) == {"backlog", "age"}
        assert f'lipstream_stage_backlog{{namespace="lipstream",stage="{stage}"}}' in queries["backlog"]
        assert f'lipstream_stage_oldest_age_seconds{{namespace="lipstream",stage="{stage}"}}' in queries["age"]
        assert spoken_of(" ".join(queries.values())) <= exported()


@in_production
def test_more_workers_come_before_new_sessions_are_refused(overlay: str) -> None:
    settings = Settings()
    for each in of_kind(overlay, "ScaledObject"):
        (age,) = (trigger for trigger in each["spec"]["triggers"] if trigger["name"] == "age")
        target_ms = float(age["metadata"]["threshold"]) * 1000
        assert settings.queue_age_low_ms < target_ms < settings.queue_age_high_ms
        assert age["metricType"] == "Value", "an age is not shared out among the workers"


def test_pools_on_processors_grow_at_the_headroom_that_plans_leave() -> None:
    """A busy worker has one task in hand, so the tasks not finished, by worker, are the busy share of the pool."""
    for each in of_kind("prod-cpu", "ScaledObject"):
        (backlog,) = (trigger for trigger in each["spec"]["triggers"] if trigger["name"] == "backlog")
        assert float(backlog["metadata"]["threshold"]) == Load(1).headroom


@in_production
def test_pools_grow_at_once_and_shrink_slowly(overlay: str) -> None:
    for each in of_kind(overlay, "ScaledObject", "HorizontalPodAutoscaler"):
        behavior = behavior_of(each)
        assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300
        assert [policy["value"] for policy in behavior["scaleDown"]["policies"]] == [1]


@in_production
def test_without_numbers_no_pool_shrinks(overlay: str) -> None:
    for each in of_kind(overlay, "ScaledObject"):
        assert each["spec"]["fallback"]["behavior"] == "currentReplicasIfHigher"
        assert each["spec"]["fallback"]["replicas"] == each["spec"]["minReplicaCount"]
        for trigger in each["spec"]["triggers"]:
            assert trigger["metadata"]["ignoreNullValues"] == "false"
        kinds = {trigger["metricType"] for trigger in each["spec"]["triggers"]}
        assert "AverageValue" in kinds, "KEDA falls back for no other kind"


@in_production
def test_numbers_are_read_more_often_than_they_are_averaged_over(overlay: str) -> None:
    monitors = {each["kind"]: each["spec"] for each in of_kind(overlay, "ServiceMonitor", "PodMonitor")}
    interval_s = seconds(monitors["ServiceMonitor"]["endpoints"][0]["interval"])
    for each in of_kind(overlay, "ScaledObject"):
        for trigger in each["spec"]["triggers"]:
            (window,) = re.findall(r"\[(\w+)\]", trigger["metadata"]["query"])
            assert seconds(window) >= 3 * interval_s


@in_production
def test_prometheus_finds_every_pod(overlay: str) -> None:
    (services,) = of_kind(overlay, "ServiceMonitor")
    (pods,) = of_kind(overlay, "PodMonitor")
    wanted = services["spec"]["selector"]["matchLabels"].items()
    (service,) = (each for each in of_kind(overlay, "Service") if wanted <= each["metadata"]["labels"].items())
    assert services["spec"]["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    for deployment in of_kind(overlay, "Deployment"):
        found = pods["spec"]["selector"]["matchLabels"].items() <= labels_of(deployment).items()
        assert found == (name_of(deployment) != "gateway"), name_of(deployment)


def test_the_alternative_in_the_docs_is_one_that_keda_takes() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "kubernetes.md").read_text(), re.DOTALL)
    triggers = [trigger for block in blocks for trigger in (yaml.safe_load(block) or {}).get("triggers", ())]
    assert {trigger["type"] for trigger in triggers} == {"redis-streams", "cron"}
    scaled = of_kind("prod-cpu", "ScaledObject")[0]
    check(scaled | {"spec": scaled["spec"] | {"triggers": triggers}})


def target(each: Object) -> str:
    return str(each["spec"]["scaleTargetRef"]["name"])


def behavior_of(each: Object) -> Any:
    spec = each["spec"]
    return spec["behavior"] if "behavior" in spec else spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]

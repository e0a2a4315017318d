"""The component of the background jobs, in an overlay of one's own."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from common.settings import load
from tests.unit.deploy.kustomize import Object
from tests.unit.deploy.manifests import extended, labels_of, name_of, objects, pod_of, selects


@pytest.fixture(scope="module", params=["dev", "prod-cpu", "prod-gpu"])
def with_jobs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Object]]:
    """An overlay that is ours and the component."""
    return request.param, extended(request.param, tmp_path_factory.mktemp("mine"), "jobs")


def deployment(built: list[Object], name: str) -> Any:
    (found,) = (each for each in built if each["kind"] == "Deployment" and name_of(each) == name)
    return found


def test_a_worker_is_added_and_nothing_is_lost(with_jobs: tuple[str, list[Object]]) -> None:
    overlay, built = with_jobs
    before = {(each["kind"], name_of(each)) for each in objects(overlay) if each["kind"] != "ConfigMap"}
    added = {(each["kind"], name_of(each)) for each in built if each["kind"] != "ConfigMap"} - before
    assert before <= {(each["kind"], name_of(each)) for each in built}
    assert added == {
        (kind, "jobs") for kind in ("Deployment", "ServiceAccount", "PodDisruptionBudget", "PersistentVolumeClaim")
    } | {("PriorityClass", "lipstream-jobs")}


def test_kubernetes_knows_every_field(with_jobs: tuple[str, list[Object]]) -> None:
    _, built = with_jobs
    for each in built:
        if "jobs" in name_of(each) or (name_of(each) == "gateway" and each["kind"] == "Deployment"):
            kubernetes_validate.validate(each, "1.31", strict=True)


def test_the_worker_is_contained_and_probed_like_the_others(with_jobs: tuple[str, list[Object]]) -> None:
    _, built = with_jobs
    jobs, audio = (pod_of(deployment(built, name)) for name in ("jobs", "audio"))
    for field in (
        "securityContext",
        "automountServiceAccountToken",
        "enableServiceLinks",
        "terminationGracePeriodSeconds",
    ):
        assert jobs[field] == audio[field], field
    for field in ("securityContext", "livenessProbe", "readinessProbe", "startupProbe", "ports", "envFrom"):
        assert jobs["containers"][0][field] == audio["containers"][0][field], field
    assert jobs["priorityClassName"] == "lipstream-jobs"


def test_gateways_and_workers_write_to_one_place_that_the_settings_name(
    with_jobs: tuple[str, list[Object]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, built = with_jobs
    (said,) = (each["data"] for each in built if each["kind"] == "ConfigMap" and "lipstream-settings" in name_of(each))
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    url = load(env_file=tmp_path / ".env").jobs_url
    for name in ("gateway", "jobs"):
        pod = pod_of(deployment(built, name))
        (claim,) = (each["persistentVolumeClaim"] for each in pod["volumes"] if each["name"] == "jobs")
        assert claim == {"claimName": "jobs"}
        assert {"name": "jobs", "mountPath": url} in pod["containers"][0]["volumeMounts"]
        assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]
    assert "jobs" not in str(pod_of(deployment(built, "audio"))["volumes"])


def test_the_development_redis_has_an_address_for_the_worker() -> None:
    (secret,) = (each for each in objects("dev") if each["kind"] == "Secret")
    assert {"gateway", "jobs"} <= secret["data"].keys()


def test_the_worker_reaches_redis_like_all_workers(with_jobs: tuple[str, list[Object]]) -> None:
    _, built = with_jobs
    labels = labels_of(deployment(built, "jobs"))
    (policy,) = (each for each in built if each["kind"] == "NetworkPolicy" and name_of(each) == "reach-redis")
    assert selects(policy["spec"]["podSelector"], labels)
    (budget,) = (
        each for each in built if each["kind"] == "PodDisruptionBudget" and selects(each["spec"]["selector"], labels)
    )
    assert name_of(budget) == "jobs"

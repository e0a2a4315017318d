"""What a linter of manifests asks for, and what Lipstream needs beyond."""

from typing import Any

import pytest
from starlette.applications import Starlette

from common.settings import Settings
from gateway.main import configure
from tests.unit.deploy.kustomize import Object
from tests.unit.deploy.manifests import (
    OVERLAYS,
    PRODUCTION,
    ROOT,
    WORKLOADS,
    containers,
    labels_of,
    name_of,
    named,
    objects,
    of_kind,
    ours,
    pod_of,
    selects,
)

DRAIN_WORKER_S = 5
"""docs/reliability.md: a worker finishes the batch in hand in less."""
LEAVE_S = 2
"""A gateway's and a worker's last word to Redis, which may be slow to answer."""

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@every_overlay
def test_every_container_has_requests_and_limits(overlay: str) -> None:
    for name, container in containers(overlay):
        for bound in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][bound].keys(), (name, bound)


@every_overlay
def test_every_container_says_when_it_is_ready_and_whether_it_lives(overlay: str) -> None:
    for name, container in containers(overlay):
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), name
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            where = container[probe].get("httpGet") or container[probe].get("tcpSocket")
            assert where is None or where["port"] in ports, (name, probe)


@every_overlay
def test_readiness_asks_for_warm_models_and_life_asks_nothing_of_redis(overlay: str) -> None:
    for workload in ours(overlay):
        (container,) = pod_of(workload)["containers"]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz", name_of(workload)
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", name_of(workload)


@every_overlay
def test_no_container_is_root_or_may_become_it_or_writes_to_its_root(overlay: str) -> None:
    for workload in of_kind(overlay, *WORKLOADS):
        pod = pod_of(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in context


@every_overlay
def test_no_pod_holds_a_token_of_the_kubernetes_api(overlay: str) -> None:
    accounts = {name_of(each): each for each in of_kind(overlay, "ServiceAccount")}
    for workload in of_kind(overlay, *WORKLOADS):
        pod = pod_of(workload)
        assert pod["automountServiceAccountToken"] is False
        assert accounts[pod["serviceAccountName"]]["automountServiceAccountToken"] is False
    assert not of_kind(overlay, "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


@every_overlay
def test_no_service_can_slip_a_variable_into_the_settings(overlay: str) -> None:
    for workload in ours(overlay):
        assert pod_of(workload)["enableServiceLinks"] is False, name_of(workload)


@every_overlay
def test_every_image_names_its_version(overlay: str) -> None:
    for name, container in containers(overlay):
        repository, _, tag = container["image"].rpartition(":")
        assert repository, name
        assert tag[0].isdigit(), container["image"]
        assert "latest" not in tag


@every_overlay
def test_our_images_have_the_version_of_the_project(overlay: str) -> None:
    version = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version"))
    for workload in ours(overlay):
        image = pod_of(workload)["containers"][0]["image"]
        assert image.endswith(":" + version.split('"')[1]), image


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_images_come_from_a_registry(overlay: str) -> None:
    for _, container in containers(overlay):
        assert "." in container["image"].split("/")[0], container["image"]


@every_overlay
def test_every_workload_may_lose_one_pod_at_a_time(overlay: str) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget")
    for workload in of_kind(overlay, *WORKLOADS):
        (budget,) = (each for each in budgets if selects(each["spec"]["selector"], labels_of(workload)))
        assert budget["spec"]["maxUnavailable"] == 1, name_of(workload)


@every_overlay
def test_a_rolling_update_starts_the_new_pod_before_it_ends_an_old_one(overlay: str) -> None:
    for workload in ours(overlay):
        assert workload["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@every_overlay
def test_pods_of_one_kind_keep_away_from_each_other(overlay: str) -> None:
    for workload in ours(overlay):
        pod = pod_of(workload)
        (rule,) = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert rule["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
        (spread,) = pod["topologySpreadConstraints"]
        assert spread["topologyKey"] == "topology.kubernetes.io/zone"
        for term in (rule["podAffinityTerm"], spread):
            assert selects(term["labelSelector"], labels_of(workload))
            assert "app.kubernetes.io/name" in term["matchLabelKeys"]


@every_overlay
def test_a_selector_fits_the_pods_of_its_own_workload_and_no_others(overlay: str) -> None:
    workloads = of_kind(overlay, *WORKLOADS)
    for each in workloads:
        fitting = [name_of(other) for other in workloads if selects(each["spec"]["selector"], labels_of(other))]
        assert fitting == [name_of(each)]


@every_overlay
def test_a_service_has_pods_with_its_port_behind_it(overlay: str) -> None:
    for service in of_kind(overlay, "Service"):
        if name_of(service) == "closed":
            assert "selector" not in service["spec"]
            continue
        selector = {"matchLabels": service["spec"]["selector"]}
        (behind,) = (each for each in of_kind(overlay, *WORKLOADS) if selects(selector, labels_of(each)))
        ports = {port["name"] for port in pod_of(behind)["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@every_overlay
def test_what_a_pod_refers_to_is_there(overlay: str) -> None:
    there = {(each["kind"], name_of(each)) for each in objects(overlay)}
    outside = {"lipstream-redis", "lipstream-doors", "lipstream-redis-ca"}
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    for workload in of_kind(overlay, *WORKLOADS):
        pod = pod_of(workload)
        assert ("PriorityClass", pod["priorityClassName"]) in there
        assert ("ServiceAccount", pod["serviceAccountName"]) in there
        assert all(("ConfigMap", name) in there for name in references(workload, "configMapRef", "name"))
        secrets = {*references(workload, "secretKeyRef", "name"), *references(workload, "secret", "secretName")}
        for name in secrets:
            assert ("Secret", name) in there or (name in outside and name in page), name


def test_no_secret_of_production_is_in_the_repository() -> None:
    for overlay in PRODUCTION:
        assert not of_kind(overlay, "Secret")


@every_overlay
def test_a_gateway_has_the_time_that_its_end_takes(overlay: str) -> None:
    pod = pod_of(named(overlay, "Deployment", "gateway"))
    leaving_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    closing_s = configure(Settings(), Starlette()).timeout_graceful_shutdown or 0
    assert leaving_s >= 5, "proxies learn of it within seconds, not at once"
    assert leaving_s + closing_s + LEAVE_S <= pod["terminationGracePeriodSeconds"] <= 30


@every_overlay
def test_a_worker_has_the_time_that_its_batch_takes(overlay: str) -> None:
    workers = [each for each in ours(overlay) if labels_of(each)["lipstream/role"] == "worker"]
    assert len(workers) >= 3
    for worker in workers:
        grace_s = pod_of(worker)["terminationGracePeriodSeconds"]
        assert DRAIN_WORKER_S + LEAVE_S + Settings().block_ms / 1000 <= grace_s <= 30, name_of(worker)


@every_overlay
def test_tmp_is_all_that_can_be_written_to(overlay: str) -> None:
    for workload in ours(overlay):
        pod = pod_of(workload)
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = pod["containers"][0]["volumeMounts"]
        writable = [mount for mount in mounts if not mount.get("readOnly")]
        assert [mount["mountPath"] for mount in writable] == ["/tmp"]
        assert "sizeLimit" in volumes[writable[0]["name"]]["emptyDir"]


def test_redis_of_the_development_overlay_is_bounded_and_durable_and_never_evicts() -> None:
    redis = named("dev", "StatefulSet", "redis")
    (container,) = pod_of(redis)["containers"]
    options = dict(zip(container["args"][1::2], container["args"][2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--maxmemory"] == "512mb"
    assert container["resources"]["limits"]["memory"] == "1Gi", "twice maxmemory, for rewriting the file"
    assert options["--dir"] == container["volumeMounts"][0]["mountPath"]


def test_the_ingress_keeps_websockets_open_under_tls_and_shows_no_metrics() -> None:
    for overlay in PRODUCTION:
        (ingress,) = of_kind(overlay, "Ingress")
        annotations = ingress["metadata"]["annotations"]
        for timeout in ("proxy-read-timeout", "proxy-send-timeout"):
            assert int(annotations[f"nginx.ingress.kubernetes.io/{timeout}"]) >= 3600
        assert annotations["nginx.ingress.kubernetes.io/ssl-redirect"] == "true"
        (rule,) = ingress["spec"]["rules"]
        assert [rule["host"]] == ingress["spec"]["tls"][0]["hosts"]
        behind = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
        assert behind == {"/": "gateway", "/metrics": "closed"}


def references(each: Object, kind: str, field: str) -> set[str]:
    """The names that stand at `kind: {field: name}`, anywhere in an object."""
    found: set[str] = set()

    def look(value: Any) -> None:
        for key, item in value.items() if isinstance(value, dict) else ():
            if key == kind and isinstance(item, dict) and field in item:
                found.add(item[field])
            look(item)
        for item in value if isinstance(value, list) else ():
            look(item)

    look(each)
    return found

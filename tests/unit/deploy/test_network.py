"""Who may speak to whom: the policies are read as a cluster reads them."""

from typing import Any

import pytest

from tests.unit.deploy.kustomize import Object
from tests.unit.deploy.manifests import OVERLAYS, PRODUCTION, WORKLOADS, labels_of, name_of, of_kind, ours, selects

INGRESS_NGINX = {"kubernetes.io/metadata.name": "ingress-nginx"}
MONITORING = {"kubernetes.io/metadata.name": "monitoring"}
LIPSTREAM = {"kubernetes.io/metadata.name": "lipstream"}
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
STRANGER = {"app.kubernetes.io/name": "stranger"}

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@every_overlay
def test_nothing_is_allowed_that_no_policy_names(overlay: str) -> None:
    denied = [each for each in of_kind(overlay, "NetworkPolicy") if each["spec"]["podSelector"] == {}]
    assert {direction for each in denied for direction in each["spec"]["policyTypes"]} == {"Ingress", "Egress"}


def test_only_our_pods_speak_to_redis() -> None:
    redis = labels("dev", "redis")
    for workload in ours("dev"):
        assert takes("dev", redis, LIPSTREAM, labels_of(workload), 6379), name_of(workload)
        assert reaches("dev", labels_of(workload), redis, 6379), name_of(workload)
    assert not takes("dev", redis, LIPSTREAM, STRANGER, 6379)
    assert not takes("dev", redis, MONITORING, PROMETHEUS, 6379)
    assert not takes("dev", redis, {"kubernetes.io/metadata.name": "default"}, labels("dev", "gateway"), 6379)


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_an_external_redis_is_reached_by_our_pods_alone(overlay: str) -> None:
    (policy,) = (each for each in of_kind(overlay, "NetworkPolicy") if name_of(each) == "reach-redis")
    for workload in of_kind(overlay, *WORKLOADS):
        assert selects(policy["spec"]["podSelector"], labels_of(workload))
    assert not selects(policy["spec"]["podSelector"], STRANGER)
    (rule,) = policy["spec"]["egress"]
    assert all(not peer["ipBlock"]["cidr"].endswith("/0") for peer in rule["to"])


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_clients_reach_gateways_through_the_ingress_controller_alone(overlay: str) -> None:
    gateway = labels(overlay, "gateway")
    assert takes(overlay, gateway, INGRESS_NGINX, STRANGER, "http")
    assert not takes(overlay, gateway, LIPSTREAM, labels(overlay, "audio"), "http")
    assert not takes(overlay, gateway, {"kubernetes.io/metadata.name": "default"}, STRANGER, "http")


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_prometheus_reads_every_pod_and_nobody_else_reads_workers(overlay: str) -> None:
    for workload in ours(overlay):
        port = "http" if name_of(workload) == "gateway" else "metrics"
        assert takes(overlay, labels_of(workload), MONITORING, PROMETHEUS, port), name_of(workload)
        assert not takes(overlay, labels_of(workload), MONITORING, STRANGER, port), name_of(workload)
        assert not takes(overlay, labels_of(workload), INGRESS_NGINX, STRANGER, "metrics"), name_of(workload)


@every_overlay
def test_workers_reach_redis_and_names_and_nothing_else(overlay: str) -> None:
    worker = labels(overlay, "inference")
    ports = {
        port["port"]
        for policy in of_kind(overlay, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], worker)
        for rule in policy["spec"].get("egress", ())
        for port in rule["ports"]
    }
    assert ports <= {53, 6379, 6380}


def labels(overlay: str, workload: str) -> dict[str, str]:
    (found,) = (each for each in of_kind(overlay, *WORKLOADS) if name_of(each) == workload)
    return labels_of(found)


def takes(overlay: str, pod: dict[str, str], namespace: dict[str, str], peer: dict[str, str], port: Any) -> bool:
    """Whether a pod takes connections of another one, of a namespace, at a port."""
    return any(
        allows(rule, "from", namespace, peer, port)
        for policy in policies(overlay, pod, "Ingress")
        for rule in policy["spec"].get("ingress", ())
    )


def reaches(overlay: str, pod: dict[str, str], peer: dict[str, str], port: Any) -> bool:
    return any(
        allows(rule, "to", LIPSTREAM, peer, port)
        for policy in policies(overlay, pod, "Egress")
        for rule in policy["spec"].get("egress", ())
    )


def policies(overlay: str, pod: dict[str, str], direction: str) -> list[Object]:
    found = [
        each
        for each in of_kind(overlay, "NetworkPolicy")
        if direction in each["spec"]["policyTypes"] and selects(each["spec"]["podSelector"], pod)
    ]
    assert found, "without any policy everything is allowed"
    return found


def allows(rule: Any, side: str, namespace: dict[str, str], peer: dict[str, str], port: Any) -> bool:
    """Peers without a namespace's selector are of the policy's own namespace."""
    at = any(each["port"] == port for each in rule["ports"])
    return at and any(
        "ipBlock" not in each
        and (selects(each["namespaceSelector"], namespace) if "namespaceSelector" in each else namespace == LIPSTREAM)
        and selects(each.get("podSelector", {}), peer)
        for each in rule[side]
    )

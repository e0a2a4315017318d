"""The overlays as they are applied, and how the tests look at them."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.unit.deploy.kustomize import Object, build

ROOT: Final = Path(__file__).parents[3]
OVERLAYS: Final = ("dev", "prod-cpu", "prod-gpu")
PRODUCTION: Final = ("prod-cpu", "prod-gpu")
WORKLOADS: Final = ("Deployment", "StatefulSet")


@cache
def objects(overlay: str) -> tuple[Object, ...]:
    return tuple(build(ROOT / "deploy" / "k8s" / "overlays" / overlay))


def extended(overlay: str, folder: Path, *components: str) -> list[Object]:
    """One of our overlays with components beside its own, as a kustomization in an empty folder."""
    k8s = ROOT / "deploy" / "k8s"
    said = {
        "resources": [str(k8s / "overlays" / overlay)],
        "components": [str(k8s / "components" / name) for name in components],
        "namespace": "lipstream",
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(said))
    return build(folder)


def of_kind(overlay: str, *kinds: str) -> list[Object]:
    return [each for each in objects(overlay) if each["kind"] in kinds]


def named(overlay: str, kind: str, name: str) -> Object:
    (found,) = (each for each in of_kind(overlay, kind) if name_of(each) == name)
    return found


def name_of(each: Object) -> str:
    return str(each["metadata"]["name"])


def pod_of(workload: Object) -> Any:
    return workload["spec"]["template"]["spec"]


def labels_of(workload: Object) -> dict[str, str]:
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def containers(overlay: str) -> Iterator[tuple[str, Any]]:
    """Of all pods, with the name of their workload."""
    for workload in of_kind(overlay, *WORKLOADS):
        for container in pod_of(workload)["containers"]:
            yield name_of(workload), container


def ours(overlay: str) -> list[Object]:
    """The workloads that run Lipstream."""
    return [each for each in of_kind(overlay, "Deployment") if pod_of(each)["containers"][0]["name"] == "lipstream"]


def selects(selector: Any, labels: dict[str, str]) -> bool:
    """Whether a label selector fits; one without any demand fits everything."""
    if set(selector) - {"matchLabels", "matchExpressions"}:
        raise ValueError(f"unknown selector {selector}")
    plain = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    if any(each["operator"] != "In" for each in selector.get("matchExpressions", ())):
        raise ValueError(f"unknown operator in {selector}")
    listed = all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ()))
    return plain and listed


def environment(overlay: str, container: Any) -> dict[str, str]:
    """What a container gets; of a Secret that stands outside, a value of the right form."""
    maps = {name_of(each): each["data"] for each in of_kind(overlay, "ConfigMap")}
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        values |= maps[source["configMapRef"]["name"]]
    for entry in container.get("env", ()):
        values[entry["name"]] = entry["value"] if "value" in entry else secret(**entry["valueFrom"]["secretKeyRef"])
    return values


def secret(name: str, key: str) -> str:
    """The form of what docs/kubernetes.md says that the Secrets hold."""
    if name.startswith("lipstream-redis"):
        return f"rediss://{key}:a-password@redis.example.com:6380/0"
    return {"api-keys": "app:0123456789abcdef", "session-secret": "0123456789abcdef" * 2}[key]


def on_path(program: str) -> bool:
    return any(os.access(Path(folder) / program, os.X_OK) for folder in os.get_exec_path())

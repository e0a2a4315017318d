"""The overlays build, and Kubernetes, KEDA and the Prometheus operator would take what they build."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import ValidationError

from tests.unit.deploy.kustomize import build
from tests.unit.deploy.manifests import OVERLAYS, PRODUCTION, ROOT, name_of, objects, of_kind
from tests.unit.deploy.schemas import check, is_custom

OLDEST, NEWEST = "1.31", "1.37"


def ordered(value: Any) -> Any:
    """Named items in the order of their names, which means nothing."""
    if isinstance(value, dict):
        return {key: ordered(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [ordered(item) for item in value]
        return sorted(items, key=lambda item: str(item["name"])) if all_named(items) else items
    return value


def all_named(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and "name" in item for item in items)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here: only our own reader builds the overlays")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_builds_what_our_reader_builds(overlay: str) -> None:
    folder = ROOT / "deploy" / "k8s" / "overlays" / overlay
    text = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True, timeout=60)
    theirs = {(each["kind"], name_of(each)): each for each in yaml.load_all(text.stdout, yaml.CSafeLoader)}
    mine = {(each["kind"], name_of(each)): each for each in objects(overlay)}
    assert mine.keys() == theirs.keys()
    for key, each in mine.items():
        assert ordered(each) == ordered(theirs[key]), key


def test_our_reader_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("namePrefix: a-\n")
    with pytest.raises(ValueError, match="namePrefix"):
        build(tmp_path)


def test_a_patch_that_fits_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("patches:\n  - path: patch.yaml\n")
    (tmp_path / "patch.yaml").write_text("kind: Deployment\nmetadata: {name: gone}\nspec: {replicas: 1}\n")
    with pytest.raises(ValueError, match="gone"):
        build(tmp_path)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # It would read two megabytes of schemas anew for each object.
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
    every = {json.dumps(each, sort_keys=True) for overlay in OVERLAYS for each in objects(overlay)}
    builtin = [each for each in map(json.loads, every) if not is_custom(each)]
    assert len(builtin) > 20
    for each in builtin:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("overlay", PRODUCTION)
def test_keda_and_the_prometheus_operator_know_every_field(overlay: str) -> None:
    custom = [each for each in objects(overlay) if is_custom(each)]
    assert {each["kind"] for each in custom} == {"ScaledObject", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
    for each in custom:
        check(each)


def test_a_misspelt_field_of_a_scaled_object_is_found() -> None:
    scaled = of_kind("prod-cpu", "ScaledObject")[0]
    with pytest.raises(ValidationError, match="minReplicas"):
        check(scaled | {"spec": scaled["spec"] | {"minReplicas": 1}})


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_two_objects_have_one_name(overlay: str) -> None:
    names = [(each["kind"], name_of(each)) for each in objects(overlay)]
    assert len(set(names)) == len(names)

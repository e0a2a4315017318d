"""A small reader of kustomizations: what ours use of `kubectl kustomize`, and an error for everything else.

The tests of the manifests need no `kubectl` so; where there is one, both must build the same (`test_overlays.py`).
"""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import yaml

Object = dict[str, Any]

CLUSTER_WIDE: Final = {"Namespace", "PriorityClass"}
GENERATED: Final = ("ConfigMap", "Secret")
HASHED: Final = {"configMapRef": "name", "configMapKeyRef": "name", "secretKeyRef": "name", "secret": "secretName"}
"""Where a generated name may be referred to: the field above it -> the field that holds it."""
MERGED_BY: Final = {
    "containers": "name",
    "env": "name",
    "ports": "containerPort",
    "topologySpreadConstraints": "topologyKey",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""Lists whose items a strategic merge matches by a field; it replaces all others."""
_DIGITS: Final = str.maketrans("013ae", "ghkmt")


def build(folder: Path) -> list[Object]:
    """The objects of a kustomization.

    Raises
    ------
    ValueError
        It uses something that this reader does not know, or a patch that fits nothing.
    """
    objects, generated = _collect(folder.resolve(), [])
    names: dict[str, str] = {}
    for each in objects:
        name = each["metadata"]["name"]
        if each["kind"] in GENERATED and name in generated:
            each["metadata"]["name"] = names[name] = f"{name}-{_digest(each)}"
    return [_renamed(each, names) for each in objects]


def documents(path: Path) -> list[Object]:
    return [each for each in yaml.load_all(path.read_text(), yaml.CSafeLoader) if each]


def _collect(folder: Path, objects: list[Object]) -> tuple[list[Object], set[str]]:
    """What stands in a folder, after what stands before it; and the names that were generated."""
    (said,) = documents(folder / "kustomization.yaml")
    generated: set[str] = set()
    for kind in ("resources", "components"):
        for entry in said.pop(kind, ()):
            path = folder / entry
            if path.is_file():
                objects = objects + documents(path)
                continue
            found, names = _collect(path.resolve(), objects if kind == "components" else [])
            objects = found if kind == "components" else objects + found
            generated |= names
    for generator, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
        for entry in said.pop(generator, ()):
            objects = _generate(objects, kind, **entry)
            generated.add(entry["name"])
    for entry in said.pop("patches", ()):
        objects = _patch(objects, documents(folder / entry["path"]), entry.get("target"))
    namespace, labels, images = said.pop("namespace", None), said.pop("labels", ()), said.pop("images", ())
    for each in objects:
        _place(each, namespace)
        _label(each, labels)
        _name_images(each, images)
    if unknown := said.keys() - {"apiVersion", "kind"}:
        raise ValueError(f"{folder}: this reader does not know {', '.join(unknown)}")
    return objects, generated


def _generate(
    objects: list[Object], kind: str, name: str, literals: list[str], behavior: str = "create"
) -> list[Object]:
    data = dict(literal.split("=", 1) for literal in literals)
    if kind == "Secret":
        data = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    if behavior == "create":
        typed = {"type": "Opaque"} if kind == "Secret" else {}
        return [*objects, {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data, **typed}]
    (known,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)
    known["data"] |= data
    return objects


def _patch(objects: list[Object], patches: list[Object], target: Object | None) -> list[Object]:
    for patch in patches:
        wanted = target or {"kind": patch["kind"], "name": patch["metadata"]["name"]}
        hits = [index for index, each in enumerate(objects) if _fits(each, **wanted)]
        if not hits:
            raise ValueError(f"nothing fits the patch of {wanted}")
        change = {key: value for key, value in patch.items() if key not in ("apiVersion", "kind", "metadata")}
        if change == {"$patch": "delete"}:
            objects = [each for index, each in enumerate(objects) if index not in hits]
        else:
            objects = [_merged(each, change) if index in hits else each for index, each in enumerate(objects)]
    return objects


def _fits(each: Object, kind: str, name: str = ".*", labelSelector: str = "") -> bool:  # noqa: N803
    labels = {f"{key}={value}" for key, value in each["metadata"].get("labels", {}).items()}
    named = re.fullmatch(name, each["metadata"]["name"])
    return each["kind"] == kind and named is not None and (not labelSelector or labelSelector in labels)


def _merged(old: Any, new: Any, field: str = "") -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merged(old.get(key), value, key) for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list) and field in MERGED_BY:
        by = MERGED_BY[field]
        items = {item[by]: item for item in old}
        return list((items | {item[by]: _merged(items.get(item[by]), item) for item in new}).values())
    return new


def _place(each: Object, namespace: str | None) -> None:
    if namespace and each["kind"] not in CLUSTER_WIDE:
        each["metadata"]["namespace"] = namespace


def _label(each: Object, labels: list[Object]) -> None:
    for entry in labels:
        _add_labels(each, entry["pairs"])
        spec = each.get("spec", {})
        if entry.get("includeTemplates") and isinstance(spec.get("template"), dict):
            _add_labels(spec["template"], entry["pairs"])
            for claim in spec.get("volumeClaimTemplates", ()):
                _add_labels(claim, entry["pairs"])


def _add_labels(each: Object, pairs: dict[str, str]) -> None:
    each["metadata"]["labels"] = each["metadata"].get("labels", {}) | pairs


def _name_images(each: Object, images: list[Object]) -> None:
    for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
        for image in images:
            if container["image"].rpartition(":")[0] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"


def _digest(each: Object) -> str:
    """Ten characters of the content, as kustomize spells them; it means to count the name in and leaves it empty."""
    content = {"kind": each["kind"], "name": "", "data": each["data"]}
    if each["kind"] == "Secret":
        content["type"] = each["type"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:10].translate(_DIGITS)


def _renamed(value: Any, names: dict[str, str], above: str = "") -> Any:
    if isinstance(value, list):
        return [_renamed(item, names, above) for item in value]
    if isinstance(value, dict):
        return {
            key: names.get(item, item) if HASHED.get(above) == key else _renamed(item, names, key)
            for key, item in value.items()
        }
    return value

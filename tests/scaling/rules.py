"""The numbers by which a ScaledObject scales, as it ships, with what paces it made faster by one factor."""

import re
from typing import Any, Final, NamedTuple

from tests.unit.deploy.kustomize import Object

SYNC_S: Final = 15.0
"""How often Kubernetes' autoscaler looks (`--horizontal-pod-autoscaler-sync-period`): the one number that is not ours.
`pollingInterval` is how often KEDA looks whether a pool of no pods is to be woken."""
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}
_RANGE: Final = re.compile(r"\[(\d+)(ms|s|m)\]")


class Trigger(NamedTuple):
    """A query and what its number should be: in all (`Value`), or for each pod (`AverageValue`)."""

    name: str
    query: str
    threshold: float
    activation: float
    per_pod: bool


class Policy(NamedTuple):
    """By how much a pool may change within a period: so many pods, or percent of the pods."""

    percent: bool
    value: int
    period_s: float


class Rules(NamedTuple):
    """What one ScaledObject says."""

    target: str
    minimum: int
    maximum: int
    triggers: tuple[Trigger, ...]
    sync_s: float
    polling_s: float
    cooldown_s: float
    up_window_s: float
    down_window_s: float
    up: tuple[Policy, ...]
    down: tuple[Policy, ...]


def rules_of(scaled: Object, speed: float) -> Rules:
    """The rules, all times divided by `speed`; those of the queries' ranges too."""
    spec = scaled["spec"]
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    up, down = behavior["scaleUp"], behavior["scaleDown"]
    if {up.get("selectPolicy", "Max"), down.get("selectPolicy", "Max")} != {"Max"}:
        raise ValueError("only the policy that allows most is known here")
    return Rules(
        target=spec["scaleTargetRef"]["name"],
        minimum=spec["minReplicaCount"],
        maximum=spec["maxReplicaCount"],
        triggers=tuple(_trigger(each, speed) for each in spec["triggers"]),
        sync_s=SYNC_S / speed,
        polling_s=spec["pollingInterval"] / speed,
        cooldown_s=spec["cooldownPeriod"] / speed,
        up_window_s=up["stabilizationWindowSeconds"] / speed,
        down_window_s=down["stabilizationWindowSeconds"] / speed,
        up=tuple(_policy(each, speed) for each in up["policies"]),
        down=tuple(_policy(each, speed) for each in down["policies"]),
    )


def seconds(text: str) -> float:
    """Of a duration as Prometheus writes it: `250ms`, `5s`, `1m`."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS_S[unit]


def duration(value_s: float) -> str:
    """The other way round."""
    return f"{round(value_s * 1000)}ms"


def quickened(query: str, speed: float) -> str:
    """A query that averages over ranges shorter by the factor."""
    return _RANGE.sub(lambda found: f"[{duration(seconds(found[1] + found[2]) / speed)}]", query)


def _trigger(said: Any, speed: float) -> Trigger:
    metadata = said["metadata"]
    if said["type"] != "prometheus" or metadata["ignoreNullValues"] != "false":
        raise ValueError(f"only Prometheus' triggers that refuse null values are known here, not {said}")
    return Trigger(
        name=said["name"],
        query=quickened(metadata["query"], speed),
        threshold=float(metadata["threshold"]),
        activation=float(metadata["activationThreshold"]),
        per_pod={"AverageValue": True, "Value": False}[said["metricType"]],
    )


def _policy(said: Any, speed: float) -> Policy:
    return Policy({"Percent": True, "Pods": False}[said["type"]], said["value"], said["periodSeconds"] / speed)

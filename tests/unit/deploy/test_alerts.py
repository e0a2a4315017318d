"""Every alert rests on numbers that are there, fires when it should, and tells where to read on."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.metrics import Metrics
from tests.pages import anchors
from tests.prometheus import program
from tests.unit.deploy.manifests import PRODUCTION, ROOT, named
from tests.unit.deploy.promised import exported, spoken_of

RUNBOOK = ROOT / "docs" / "runbook.md"
OTHERS = ("up{", "kube_horizontalpodautoscaler_status_current_replicas{")
"""Series of Prometheus itself and of kube-state-metrics."""


def alerts() -> list[Any]:
    (group,) = named("prod-cpu", "PrometheusRule", "lipstream")["spec"]["groups"]
    return list(group["rules"])


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_has_a_place_in_the_runbook(alert: Any) -> None:
    page, _, anchor = alert["annotations"]["runbook_url"].rpartition("#")
    assert page.endswith("/runbook.md")
    assert anchor == alert["alert"].lower()
    assert f"#{anchor}" in anchors(RUNBOOK, "##")


def test_the_runbook_speaks_of_no_alert_that_is_gone() -> None:
    assert anchors(RUNBOOK, "##") == {"#" + alert["alert"].lower() for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_rests_on_series_that_are_exported(alert: Any) -> None:
    ours = spoken_of(alert["expr"])
    assert ours <= exported()
    assert ours or any(series in alert["expr"] for series in OTHERS)


def test_the_first_error_of_a_gateway_is_one_that_an_alert_sees() -> None:
    registry = Metrics().registry
    for code in re.findall(r'code="(\w+)"', " ".join(alert["expr"] for alert in alerts())):
        assert registry.get_sample_value("lipstream_errors_total", {"code": code}) == 0


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_says_how_bad_it_is_and_what_it_means(alert: Any) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert 'namespace="lipstream"' in alert["expr"]


def test_both_productions_have_the_same_alerts() -> None:
    first, second = (named(overlay, "PrometheusRule", "lipstream") for overlay in PRODUCTION)
    assert first["spec"] == second["spec"]


WELL = {
    'up{namespace="lipstream",job="gateway"}': "1x20",
    'up{namespace="lipstream",job="lipstream/workers",lipstream_stage="audio"}': "1x20",
    'lipstream_stage_oldest_age_seconds{namespace="lipstream",stage="audio"}': "0.02x20",
    'lipstream_frames_total{namespace="lipstream",kind="speech"}': "0+1500x20",
    'lipstream_frames_concealed_total{namespace="lipstream"}': "0+1x20",
    'lipstream_errors_total{namespace="lipstream",code="bus_unavailable"}': "3x20",
    'lipstream_errors_total{namespace="lipstream",code="internal"}': "3x20",
    'lipstream_sessions_refused_total{namespace="lipstream"}': "7x20",
    'lipstream_worker_dead_total{namespace="lipstream",stage="audio"}': "0x20",
    'lipstream_frame_latency_seconds_bucket{namespace="lipstream",le="0.05"}': "0+1500x20",
    'lipstream_frame_latency_seconds_bucket{namespace="lipstream",le="0.5"}': "0+1500x20",
    'lipstream_frame_latency_seconds_bucket{namespace="lipstream",le="+Inf"}': "0+1500x20",
    'kube_horizontalpodautoscaler_status_current_replicas{namespace="lipstream"}': "2x20",
    'kube_horizontalpodautoscaler_spec_max_replicas{namespace="lipstream"}': "20x20",
}
"""A quarter of an hour in which nothing is wrong, by the minute."""

FAULTS = {
    "LipstreamNoGateway": {'up{namespace="lipstream",job="gateway"}': "0x20"},
    "LipstreamStageStalled": {'lipstream_stage_oldest_age_seconds{namespace="lipstream",stage="audio"}': "6x20"},
    "LipstreamStageBehind": {'lipstream_stage_oldest_age_seconds{namespace="lipstream",stage="audio"}': "0.7x20"},
    "LipstreamWorkersDown": {'up{namespace="lipstream",job="lipstream/workers",lipstream_stage="audio"}': "0x20"},
    "LipstreamSessionsRefused": {'lipstream_sessions_refused_total{namespace="lipstream"}': "0+60x20"},
    "LipstreamFramesConcealed": {'lipstream_frames_concealed_total{namespace="lipstream"}': "0+30x20"},
    "LipstreamFramesLate": {'lipstream_frame_latency_seconds_bucket{namespace="lipstream",le="0.05"}': "0+900x20"},
    "LipstreamRedisUnavailable": {'lipstream_errors_total{namespace="lipstream",code="bus_unavailable"}': "0+60x20"},
    "LipstreamInternalErrors": {'lipstream_errors_total{namespace="lipstream",code="internal"}': "0+60x20"},
    "LipstreamTasksGivenUp": {'lipstream_worker_dead_total{namespace="lipstream",stage="audio"}': "0+60x20"},
    "LipstreamScalingBlind": {'lipstream_stage_oldest_age_seconds{namespace="lipstream",stage="audio"}': "_x20"},
    "LipstreamPoolAtMaximum": {'kube_horizontalpodautoscaler_status_current_replicas{namespace="lipstream"}': "20x20"},
}
"""What each alert is for, as a difference to that."""


def test_every_alert_is_tried() -> None:
    assert FAULTS.keys() == {alert["alert"] for alert in alerts()}


def test_each_fault_fires_its_own_alert_and_a_healthy_installation_fires_none(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": named("prod-cpu", "PrometheusRule", "lipstream")["spec"]["groups"]}))
    cases = [case(WELL, fired) for fired in (None, *FAULTS)]
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump({"rule_files": [str(rules)], "tests": cases}))
    done = subprocess.run(
        [program("promtool"), "test", "rules", tmp_path / "cases.yaml"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_understands_what_the_compose_file_gives_it() -> None:
    config = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    done = subprocess.run([program("promtool"), "check", "config", config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def case(well: dict[str, str], fault: str | None) -> dict[str, Any]:
    """A quarter of an hour with a fault, at whose end its alert fires, and none that is not its consequence."""
    series = well | (FAULTS[fault] if fault else {})
    consequences = {"LipstreamStageStalled": {"LipstreamStageBehind"}}
    expected = {fault, *consequences.get(fault or "", ())}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count by (alertname) (ALERTS{{alertname="{alert["alert"]}",alertstate="firing"}})',
                "eval_time": "15m",
                "exp_samples": [{"labels": f'{{alertname="{alert["alert"]}"}}', "value": 1}]
                if alert["alert"] in expected
                else [],
            }
            for alert in alerts()
        ],
    }

"""The simulation against the measurement that docs/scaling.md publishes."""

import json
from pathlib import Path

import pytest

from bench.live import Kind
from bench.saturation import POURING, predict
from cli.plan.coefficients import Measurement

REPORT = json.loads((Path(__file__).parents[3] / "docs" / "scaling" / "saturation.json").read_text())


def test_the_simulation_predicts_the_measured_saturation_point_within_15_percent() -> None:
    measurement = Measurement.model_validate(REPORT["measurement"])
    (poured,) = [row for row in REPORT["rows"] if row["pace"] == "lossless"]
    kind = Kind(POURING, pace="lossless")
    found = predict(measurement, kind, seconds=12, cores=REPORT["cores"], others=poured["others"])
    assert found.painted_fps == pytest.approx(poured["measured"]["painted_fps"], rel=0.15)


def test_the_published_prediction_is_what_the_simulation_says() -> None:
    measurement = Measurement.model_validate(REPORT["measurement"])
    (row,) = [row for row in REPORT["rows"] if row["measured"]["sessions"] == 4 and row["pace"] == "live"]
    found = predict(measurement, Kind(4), seconds=12, cores=REPORT["cores"], others=row["others"])
    assert found.painted_fps == pytest.approx(row["predicted"]["painted_fps"], rel=0.05)

"""The dashboard asks for nothing that nobody measures, and shows everything worth a look."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.promised import exported

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "deploy" / "grafana" / "lipstream.json").read_text(encoding="utf-8")
)
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_every_panel_asks_for_series_that_exist(title: str, expression: str) -> None:
    asked = set(re.findall(r"lipstream_[a-z_]+", expression))
    assert asked, title
    assert asked <= exported()


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert len({panel["id"] for panel in panels}) == len(panels)

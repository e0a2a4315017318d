"""The report says what was found."""

from pathlib import Path

import pytest

from tests.chaos.campaign import Findings, Stall
from tests.chaos.report import as_dict, rows, write
from tests.chaos.verdict import Verdict

STALLS = [
    Stall("kill audio", 400.0),
    Stall("kill audio", 200.0),
    Stall("freeze audio", None),
    Stall("kill redis", 50.0),
]


def findings(**changes: object) -> Findings:
    values = {
        "verdict": Verdict(frames=10), "sessions": 1, "errors": [], "stalls": STALLS, "letters": {"audio": 3},
        "letters_expected": {"audio": 3}, "left_over": [], "seconds": 60.0,
    }  # fmt: skip
    return Findings(**(values | changes))  # type: ignore[arg-type]


def test_stalls_are_summed_up_by_fault_and_by_kind_and_who_felt_nothing_is_left_out() -> None:
    found = {row.fault: row for row in rows(STALLS)}
    assert found.keys() == {"kill audio", "kill redis", "every kill"}
    assert list(found["kill audio"][1:]) == pytest.approx([2, 300.0, 390.0, 400.0])
    assert found["every kill"].times == 3
    assert found["kill redis"][1:] == (1, 50.0, 50.0, 50.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": Verdict(frames=10, missing=1)},
        {"errors": ["closed"]},
        {"left_over": ["stage:audio: 1 entries"]},
        {"letters": {"audio": 4}},
    ],
)
def test_only_what_is_spotless_counts_as_clean(changes: dict[str, object]) -> None:
    assert findings().is_clean
    assert not findings(**changes).is_clean


def test_the_report_is_a_page_with_tables_and_a_plot(tmp_path: Path) -> None:
    write(findings(), tmp_path / "new", "kills")
    page = (tmp_path / "new" / "kills.md").read_text()
    assert "| frames | 10 |" in page
    assert "| kill audio | 2 | 300 | 390 | 400 |" in page
    assert (tmp_path / "new" / "kills.png").read_bytes().startswith(b"\x89PNG")
    assert as_dict(findings())["clean"] is True

"""The file of measurements: what it must hold, and what is said when something was never measured."""

import re
from pathlib import Path

import pytest

from cli.plan.coefficients import Coefficients, Cost, default_file, load, save
from common.errors import InputError
from tests.measured import measured


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    known = Coefficients(measurements=(measured(), measured(output="patch", picture_bytes=9_400)))
    save(tmp_path / "mine.yaml", known)
    assert load(tmp_path / "mine.yaml") == known


def test_a_batch_costs_its_parts() -> None:
    assert Cost(batch_ms=5, task_ms=2, frame_ms=0.5).of(3, 8) == 5 + 6 + 4
    assert Cost(message_ms=1, task_ms=2, frame_ms=0.5).live_ms == 3.5


def test_a_new_measurement_takes_the_place_of_the_older_one_of_the_same() -> None:
    known = Coefficients(measurements=(measured(), measured(gpu="H100")))
    newer = known.with_one(measured(picture_bytes=1_000))
    assert len(newer.measurements) == 2
    assert newer.find("tiny", "frame").picture_bytes == 1_000
    assert newer.find("tiny", "frame", "H100").picture_bytes == 60_000


def test_a_gpu_that_nobody_measured_is_refused_with_the_command_that_measures_it() -> None:
    said = "never measured: avatar 'tiny', output frame, on GPU 'H100' (measured: avatar 'tiny', output frame, on CPUs)"
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        Coefficients(measurements=(measured(),)).find("tiny", "frame", "H100")
    assert "python -m bench.coefficients --avatar tiny --provider cuda --gpu H100" in caught.value.message
    assert caught.value.field == "gpu"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- : [", "cannot read"),
        ("nothing: here", "measurements: Field required"),
        ("measurements: [{avatar: demo}]", r"measurements\.0\.output: Field required"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(InputError, match=said):
        load(tmp_path / "mine.yaml")


def test_a_measurement_that_leaves_out_a_part_is_refused() -> None:
    costs = {part: cost for part, cost in measured().costs.items() if part != "redis"}
    with pytest.raises(ValueError, match="costs lacks redis"):
        measured(costs=costs)


def test_the_shipped_file_knows_the_demo_avatar_and_says_where_it_was_measured() -> None:
    shipped = load(default_file())
    for output in ("frame", "patch"):
        found = shipped.find("demo", output)
        assert "cores of" in found.machine
        assert found.command.startswith("python -m bench.")
        assert found.gpu is None, "no GPU was ever measured"

"""The tree stays small: what is cloned, what is installed, and what is read at a time."""

import shutil
import subprocess
import tomllib
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
TREE_MB = 40
WHEEL_MB = 15
MEDIAN_LINES = 150
LONGEST_LINES = 450


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """What is in the repository or about to be."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def size_mb(files: list[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6


def lengths(files: list[Path]) -> dict[str, int]:
    """Lines of each Python module."""
    modules = [file for file in files if file.suffix == ".py"]
    return {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in modules}


def test_the_tree_is_small(files: list[Path]) -> None:
    assert 5 < size_mb(files) < TREE_MB


def test_the_wheel_is_small_even_unpacked(files: list[Path]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = [ROOT / name for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
    packed = [file for file in files if any(file.is_relative_to(package) for package in packages)]
    assert 5 < size_mb(packed) < WHEEL_MB


def test_most_modules_are_read_at_one_sitting(files: list[Path]) -> None:
    assert median(lengths(files).values()) < MEDIAN_LINES


def test_no_module_is_long(files: list[Path]) -> None:
    assert {name: lines for name, lines in lengths(files).items() if lines > LONGEST_LINES} == {}

"""What CI runs, and when it fails."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.deploy.manifests import ROOT


def ran(script: str, folder: Path, fails: str = "nothing") -> tuple[int, list[str]]:
    """Exit code of a script of CI, and which targets it had made, by a `make` that makes nothing."""
    make, made = folder / "make", folder / "made"
    make.write_text(f'#!/bin/sh\necho "$CI $*" >>{made}\n[ "$1" != {fails} ]\n')
    make.chmod(0o755)
    path = {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([ROOT / ".ci" / script], env=path, capture_output=True, timeout=20)
    return done.returncode, made.read_text().splitlines()


def test_a_change_is_let_in_by_what_the_readme_names_alone(tmp_path: Path) -> None:
    assert ran("run", tmp_path) == (0, ["true test"])
    assert re.search(r"^make test\b", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("fails", "code"), [("nothing", 0), ("audit", 1), ("chaos", 1)])
def test_every_night_known_faults_are_looked_up_and_processes_killed_whatever_comes_of_either(
    fails: str, code: int, tmp_path: Path
) -> None:
    assert ran("nightly", tmp_path, fails) == (code, ["true audit", "true chaos"])


def test_what_the_tests_need_is_installed_before_them_where_it_may_be() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (needed,) = re.findall(r"^test: (.*?) ##", makefile, re.MULTILINE)
    assert needed.split() == ["check", "browser", "prometheus", "redis"]
    for target in needed.split():
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target

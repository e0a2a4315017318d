"""docs/scaling.md shows what `lipstream plan` prints."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import Options, app

PAGE = (Path(__file__).parents[4] / "docs" / "scaling.md").read_text()


def test_the_plan_on_the_page_is_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.search(r"```console\n\$ lipstream (plan .*)\n((?:.*\n)*?)```", PAGE)
    assert shown
    monkeypatch.setenv("COLUMNS", "160")
    result = CliRunner().invoke(app, shlex.split(shown[1]), obj=Options())
    assert [line.rstrip() for line in result.stdout.splitlines()] == shown[2].splitlines()


def test_every_plan_on_the_page_is_one_that_the_command_takes() -> None:
    """But for files and machines that the reader is to put in."""
    for command in re.findall(r"^\$ lipstream (plan .*)$", PAGE, re.MULTILINE):
        if "--coefficients" not in command:
            assert CliRunner().invoke(app, shlex.split(command), obj=Options()).exit_code == 0, command

"""In CI no check is left out for want of a program."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import authority, prometheus, secured
from tests.missing import missing

Skipped, Failed = pytest.skip.Exception, pytest.fail.Exception


@pytest.mark.parametrize(("ci", "outcome"), [("true", Failed), ("", Skipped)])
def test_what_is_missing_skips_a_test_here_and_fails_it_in_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no such thing"):
        missing("no such thing")


def an_old_redis(folder: Path) -> None:
    (folder / "redis-server").write_text("#!/bin/sh\necho Redis server v=6.2.14\n")
    (folder / "redis-server").chmod(0o755)
    with secured.secured(folder):
        pass


def no_openssl(folder: Path) -> None:
    authority.authority(folder, "root")


def no_prometheus(folder: Path) -> None:
    prometheus.program("prometheus")


@pytest.mark.parametrize("needs", [an_old_redis, no_openssl, no_prometheus])
def test_no_check_of_ours_goes_by_in_silence(
    needs: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match="Debian's package"):
        needs(tmp_path)

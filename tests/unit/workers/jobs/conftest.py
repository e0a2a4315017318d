"""What the tests of the background jobs share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from common.background.files import files_at
from common.settings import Settings
from workers.jobs.kinds import Work

JOB = "0123456789abcdef"


class Told(list[tuple[int, int]]):
    """A progress that remembers what it was told."""

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def make_work(avatars_folder: Path, tmp_path: Path, told: Told) -> Callable[..., Work]:
    """Makes what a job has beside its request, with some settings changed."""

    def make(**changes: object) -> Work:
        places = {"jobs_url": str(tmp_path / "jobs"), "recordings_url": str(tmp_path / "recordings")}
        settings = Settings(avatars_dir=avatars_folder, **places | changes)  # type: ignore[arg-type]
        folder = tmp_path / "scratch"
        folder.mkdir(exist_ok=True)
        return Work(JOB, settings, files_at(settings.jobs_url), folder, told)

    return make

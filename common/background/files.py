"""Uploads and results of background jobs: files of a folder or bucket, by fsspec's URLs.

A file is named after its job and nothing else, `<job>.in` or `<job>.out`: no name of a request reaches the disk.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from common.background.requests import JOB_ID_PATTERN
from common.places import place_at, told

BLOCK_BYTES: Final = 2**18
GRACE_S: Final = 3_600.0
"""A file is at least so old before it is taken for a stray: it is written before its job is in the queue."""
_NAME: Final = re.compile(r"(?P<job>[0-9a-f]{16})\.(in|out)")


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The files of all jobs; every method raises `StoreError` where the place fails."""

    fs: Any
    root: str

    def open_upload(self, job: str) -> BinaryIO:
        """A file for what is uploaded for a job, to be written, within `told`, and closed."""
        with told():
            self.fs.makedirs(self.root, exist_ok=True)
            file: BinaryIO = self.fs.open(self._path(job, "in"), "wb")
        return file

    def fetch_upload(self, job: str, target: Path) -> None:
        """Copy what was uploaded to a local file; FileNotFoundError where it is no more."""
        with told(), self.fs.open(self._path(job, "in"), "rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, BLOCK_BYTES)

    def drop_upload(self, job: str) -> None:
        """What was uploaded is of no use any more."""
        self._remove(self._path(job, "in"))

    def keep_result(self, job: str, source: Path) -> None:
        """Copy a local file there as the job's result; one that is there is replaced."""
        with told():
            self.fs.makedirs(self.root, exist_ok=True)
            self.fs.put_file(str(source), self._path(job, "out"))

    def result(self, job: str) -> Iterator[bytes]:
        """The result, block by block; opened at once, FileNotFoundError where it is no more."""
        with told():
            file = self.fs.open(self._path(job, "out"), "rb")
        return _blocks(file)

    def sweep(self, is_known: Callable[[str], bool]) -> list[str]:
        """Remove the files of jobs that are forgotten; whose those were."""
        strays = []
        with told():
            for path, job in self._files():
                if time.time() - self.fs.modified(path).timestamp() > GRACE_S and not is_known(job):
                    self._remove(path)
                    strays.append(job)
        return strays

    def _files(self) -> list[tuple[str, str]]:
        self.fs.invalidate_cache(self.root)
        try:
            paths = self.fs.ls(self.root, detail=False)
        except FileNotFoundError:
            return []
        return [(path, found["job"]) for path in paths if (found := _NAME.fullmatch(path.rpartition("/")[2]))]

    def _path(self, job: str, kind: str) -> str:
        assert re.fullmatch(JOB_ID_PATTERN, job), "only ids of our own making get here"
        return f"{self.root}/{job}.{kind}"

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError), told():
            self.fs.rm_file(path)


def files_at(url: str) -> JobFiles:
    """The files at a folder or URL.

    Raises
    ------
    SettingsError
        Nothing here can speak to such a store.
    """
    return JobFiles(*place_at(url, "jobs_url"))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK_BYTES):
            yield block

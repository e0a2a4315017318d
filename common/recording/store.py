"""Where recordings lie: a folder, or a bucket of an object store, by fsspec's URLs (`file://`, `s3://`, `memory://`).

A recording is `<session>.lsrec`; what a later gateway adds, or what follows in a store whose files cannot be appended
to, is `<session>.2.lsrec` and so on. No file is ever written over.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from fsspec.implementations.local import LocalFileSystem

from common.contracts import SESSION_ID_PATTERN
from common.places import place_at
from common.recording.framing import MAGIC
from common.recording.records import RecordingError

_T = TypeVar("_T")

SUFFIX: Final = ".lsrec"
PART_BYTES: Final = 4 * 2**20
PART_S: Final = 10.0
"""Where files cannot be appended to, another is written when so much has come or so long has passed: so much is lost by
a crash."""
_NAME: Final = re.compile(r"(?P<session>[A-Za-z0-9_-]{8,64})(?:\.(?P<part>\d+))?\.lsrec")


class Sink(Protocol):
    """A recording that is being written; OSError where it cannot be."""

    def write(self, data: bytes) -> None:
        """Take some bytes."""

    def flush(self) -> None:
        """Nothing more comes for now."""


class Entry(NamedTuple):
    """A recording in a listing."""

    session: str
    files: int
    size_bytes: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Store:
    """A place for recordings."""

    fs: Any
    root: str

    @contextmanager
    def writing(self, session: str) -> Iterator[Sink]:
        """A new file of the session.

        Raises
        ------
        OSError
            The place cannot be written to.
        """
        self.fs.makedirs(self.root, exist_ok=True)
        if isinstance(self.fs, LocalFileSystem):
            with self._created(session) as file:
                file.write(MAGIC)
                yield file
            return
        parts = _Parts(self, session)
        yield parts
        parts.put()

    def entries(self) -> list[Entry]:
        """All recordings, the newest last."""
        found: dict[str, list[tuple[int, datetime]]] = {}
        for path, session in self._files():
            found.setdefault(session, []).append((self.fs.size(path) or 0, self.fs.modified(path)))
        entries = [
            Entry(s, len(files), sum(b for b, _ in files), max(t for _, t in files)) for s, files in found.items()
        ]
        return sorted(entries, key=lambda entry: entry.modified)

    def contents(self, session: str) -> list[bytes]:
        """What the files of a recording hold, oldest first.

        Raises
        ------
        RecordingError
            There is no such recording.
        """
        return [bytes(self.fs.cat_file(path)) for path in self._paths(session)]

    def holds(self, session: str) -> bool:
        """Whether there is a recording of that session."""
        return any(name == session for _, name in self._files())

    def delete(self, session: str) -> int:
        """Remove a recording; how many files it had.

        Raises
        ------
        RecordingError
            There is no such recording.
        """
        paths = self._paths(session)
        for path in paths:
            with suppress(FileNotFoundError):
                self.fs.rm_file(path)
        return len(paths)

    def prune(self, before: datetime) -> list[str]:
        """Remove the recordings that were last written to before a time; which those were."""
        old = [entry.session for entry in self.entries() if entry.modified < before]
        for session in old:
            with suppress(RecordingError):  # another process prunes too
                self.delete(session)
        return old

    def path(self, session: str, part: int) -> str:
        """The name of a part, counted from 1."""
        return f"{self.root}/{session}{f'.{part}' if part > 1 else ''}{SUFFIX}"

    def _created(self, session: str) -> Any:
        return _first_free(lambda part: open(self.path(session, part), "xb"))

    def _paths(self, session: str) -> list[str]:
        if not re.fullmatch(SESSION_ID_PATTERN, session):
            raise RecordingError(f"'{session[:64]}' is no session id", field="id")
        paths = sorted((_part(path), path) for path, name in self._files() if name == session)
        if not paths:
            raise RecordingError(f"no recording of session '{session}' in {self.root}", field="id")
        return [path for _, path in paths]

    def _files(self) -> list[tuple[str, str]]:
        """The files and their sessions."""
        self.fs.invalidate_cache(self.root)
        try:
            paths = self.fs.ls(self.root, detail=False)
        except FileNotFoundError:
            return []
        return [(path, found["session"]) for path in paths if (found := _NAME.fullmatch(path.rpartition("/")[2]))]


@dataclass(slots=True)
class _Parts:
    """Bytes on their way into a store whose files cannot be appended to."""

    store: Store
    session: str
    _waiting: bytearray = field(default_factory=bytearray)
    _put_s: float = field(default_factory=time.monotonic)

    def write(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= PART_BYTES:
            self.put()

    def flush(self) -> None:
        if time.monotonic() - self._put_s > PART_S:
            self.put()

    def put(self) -> None:
        """Write what waits as the next file."""
        self._put_s = time.monotonic()
        if not self._waiting:
            return
        data, store = MAGIC + self._waiting, self.store
        _first_free(lambda part: store.fs.pipe_file(store.path(self.session, part), data, mode="create"))
        self._waiting.clear()


def store_at(url: str) -> Store:
    """The store at a folder or URL.

    Raises
    ------
    SettingsError
        Nothing here can speak to such a store.
    """
    return Store(*place_at(url, "recordings_url"))


def days_ago(days: float) -> datetime:
    """For `Store.prune`."""
    return datetime.fromtimestamp(time.time() - days * 86_400, UTC)


def _first_free(create: Callable[[int], _T]) -> _T:
    """Create the first part that is not there yet."""
    part = 1
    while True:
        try:
            return create(part)
        except FileExistsError:
            part += 1


def _part(path: str) -> int:
    found = _NAME.fullmatch(path.rpartition("/")[2])
    return int(found["part"] or 1) if found else 0

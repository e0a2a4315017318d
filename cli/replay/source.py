"""From what a user names, a file, a URL or a session, to the recording."""

from pathlib import Path

from common.recording.recording import Recording, read
from common.recording.records import RecordingError
from common.recording.store import SUFFIX, store_at


def find(name: str, recordings_url: str) -> Recording:
    """The recording of a file or URL that ends in .lsrec, or else of a session whose recording is at `recordings_url`.

    Raises
    ------
    RecordingError
        There is none, or it cannot be read.
    """
    if not name.endswith(SUFFIX):
        return read(store_at(recordings_url).contents(name))
    folder, _, file = name.rpartition("/")
    if "://" not in name and not Path(name).is_file():
        raise RecordingError(f"there is no file {name}", field="rec")
    return read(store_at(folder or ".").contents(file.split(".")[0]))


def all_in(folder: str) -> list[Recording]:
    """The recordings of a folder or URL.

    Raises
    ------
    RecordingError
        There is none.
    """
    store = store_at(folder)
    found = [read(store.contents(entry.session)) for entry in store.entries()]
    if not found:
        raise RecordingError(f"there is no recording in {folder}", field="rec")
    return found

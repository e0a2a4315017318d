"""Recordings in a folder and in stores without appending, one of them S3's; all are fsspec's."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from common.errors import SettingsError
from common.recording import store as stores
from common.recording.records import RecordingError
from common.recording.store import Store, days_ago, store_at
from tests.s3 import BUCKET, object_store
from tests.unit.common.recording.small import barge_in, file_of

SID = "session-1"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_store():
        yield BUCKET


@pytest.fixture(params=["file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    match request.param:
        case "file":
            yield store_at(f"file://{tmp_path}/deep/down")
        case "memory":
            yield store_at(f"memory://{uuid4().hex}/down")
            fsspec.filesystem("memory").store.clear()
        case _:
            yield store_at(f"{request.getfixturevalue('bucket')}/{uuid4().hex}/down")


def write(store: Store, *pieces: bytes, session: str = SID) -> None:
    with store.writing(session) as sink:
        for piece in pieces:
            sink.write(piece)
            sink.flush()


def test_what_was_written_is_found_again_in_order(store: Store) -> None:
    whole = file_of(*barge_in())
    write(store, whole[8:200], whole[200:])
    write(store, b"more")
    assert [data[8:] for data in store.contents(SID)] == [whole[8:], b"more"]
    [entry] = store.entries()
    assert (entry.session, entry.files, entry.size_bytes) == (SID, 2, len(whole) + 12)


def test_many_files_keep_their_order(store: Store) -> None:
    for number in range(12):
        write(store, bytes([number]))
    assert [data[-1] for data in store.contents(SID)] == list(range(12))


def test_what_two_processes_write_at_once_is_kept_of_both(store: Store) -> None:
    with store.writing(SID) as one, store.writing(SID) as other:
        one.write(b"a")
        other.write(b"b")
    assert sorted(data[8:] for data in store.contents(SID)) == [b"a", b"b"]


def test_an_object_that_is_there_is_never_written_over(bucket: str) -> None:
    fs, path = store_at(bucket).fs, f"{bucket}/{uuid4().hex}"
    fs.pipe_file(path, b"first", mode="create")
    with pytest.raises(FileExistsError):
        fs.pipe_file(path, b"second", mode="create")
    assert fs.cat_file(path) == b"first"


def test_a_recording_is_removed_whole_and_alone(store: Store) -> None:
    write(store, b"a")
    write(store, b"b")
    write(store, b"c", session="session-12")
    assert store.delete(SID) == 2
    assert [entry.session for entry in store.entries()] == ["session-12"]
    with pytest.raises(RecordingError, match="no recording of session 'session-1'"):
        store.delete(SID)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a/b", "session-1.2"])
def test_no_name_reaches_beyond_the_store(store: Store, name: str) -> None:
    with pytest.raises(RecordingError, match="no session id"):
        store.contents(name)


def test_there_may_be_nothing_yet(store: Store) -> None:
    assert store.entries() == []
    assert store.prune(days_ago(0)) == []


def test_all_that_is_older_than_now_may_go(store: Store) -> None:
    write(store, b"a")
    write(store, b"b", session="session-2")
    assert store.prune(days_ago(1)) == []
    assert sorted(store.prune(days_ago(-1))) == [SID, "session-2"]
    assert store.entries() == []


def test_only_old_recordings_are_pruned(tmp_path: Path) -> None:
    store = store_at(str(tmp_path))
    write(store, b"old", session="old-session")
    write(store, b"new")
    os.utime(tmp_path / "old-session.lsrec", (0, time.time() - 3 * 86_400))
    (tmp_path / "notes.txt").write_text("not ours")
    assert store.prune(days_ago(4)) == []
    assert store.prune(days_ago(2)) == ["old-session"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "session-1.lsrec"]


def test_a_folder_has_every_record_at_once_though_the_writer_may_die(tmp_path: Path) -> None:
    store = store_at(str(tmp_path))
    with store.writing(SID) as sink:
        sink.write(b"abc")
        sink.flush()
        assert store.contents(SID) == [stores.MAGIC + b"abc"]


def test_a_store_without_appending_gets_a_file_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(f"memory://{uuid4().hex}")
    monkeypatch.setattr(stores, "PART_BYTES", 10)
    monkeypatch.setattr(stores, "PART_S", 600.0)
    with store.writing(SID) as sink:
        sink.write(b"a" * 4)
        sink.flush()
        assert store.entries() == []
        sink.write(b"b" * 6)
        assert len(store.contents(SID)) == 1
        sink.write(b"c")
        sink.flush()
        assert len(store.contents(SID)) == 1
        monkeypatch.setattr(stores, "PART_S", 0.0)
        sink.flush()
        assert len(store.contents(SID)) == 2
        sink.write(b"d")
    assert [data[8:] for data in store.contents(SID)] == [b"aaaabbbbbb", b"c", b"d"]


def test_a_url_that_nothing_here_understands_is_refused() -> None:
    with pytest.raises(SettingsError, match="recordings_url"):
        store_at("nonsense://somewhere")

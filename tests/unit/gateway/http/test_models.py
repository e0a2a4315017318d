"""Avatars as models: what is there, what is offered, their files."""

import shutil
from pathlib import Path

import pytest

from gateway.doors.caller import Caller
from tests.unit.gateway.http.conftest import Opened, Running

VIDEO = "/api/model-video/tiny"


def files_of(package: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in package.iterdir()}


async def test_all_avatars_of_the_folder_are_listed_with_whether_they_are_offered(running: Running) -> None:
    content = (await running.http.get("/api/models")).json()
    assert content["count"] == 2
    assert {model["name"]: model["loaded"] for model in content["models"]} == {"reference": False, "tiny": True}
    status = (await running.http.get("/api/models/status")).json()
    tiny = {"name": "tiny", "available": True, "loaded": True, "path": "tiny/avatar.json"}
    assert status["models"][1] == tiny


async def test_a_broken_package_is_listed_with_its_fault(opened: Opened, avatars_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(avatars_folder, tmp_path / "avatars")
    (tmp_path / "avatars" / "reference" / "avatar.json").write_text("{}")
    async with opened(avatars_dir=tmp_path / "avatars") as made:
        models = {model["name"]: model for model in (await made.http.get("/api/models")).json()["models"]}
        assert models["reference"]["available"] is False
        assert "avatar.json" in models["reference"]["error"]
        assert (await made.http.post("/api/models/reference/load")).status_code == 500


async def test_metadata_says_what_a_client_must_know(running: Running) -> None:
    model = (await running.http.get("/api/models/reference")).json()
    avatar = running.gateway.avatars["tiny"]
    assert (model["name"], model["loaded"], model["available_videos"]) == ("reference", False, ["full_body"])
    tiny = (await running.http.get("/api/models/tiny")).json()
    assert (tiny["frame_count"], tiny["fps"], tiny["width"], tiny["height"]) == (12, 25, 256, 160)
    assert tuple(tiny["bounds"]) == avatar.crops[0]


async def test_a_frame_is_a_picture_and_one_past_the_end_is_not_there(running: Running) -> None:
    assert (await running.http.get("/api/models/tiny/frames/11.jpg")).content[:2] == b"\xff\xd8"
    beyond = await running.http.get("/api/models/tiny/frames/12.jpg")
    assert (beyond.status_code, beyond.json()["error"]["limit"]) == (404, 11)


@pytest.mark.parametrize("name", ["nobody", "..%2f..%2fetc", "%2e%2e", "tiny%00", "TINY", "x" * 5_000])
@pytest.mark.parametrize(
    "path", ["/api/models/{}", "/api/models/{}/frames/0.jpg", "/api/models/{}/stats", "/api/model-video/{}"]
)
async def test_no_name_in_a_path_reaches_the_disk(
    running: Running, monkeypatch: pytest.MonkeyPatch, name: str, path: str
) -> None:
    monkeypatch.setattr("gateway.http.files.load", lambda *_: pytest.fail("it was read"))
    assert (await running.http.get(path.format(name))).status_code == 404


async def test_an_avatar_can_be_offered_and_withdrawn_and_its_package_stays(
    running: Running, avatars_folder: Path
) -> None:
    package = files_of(avatars_folder / "reference")
    answer = (await running.http.post("/api/models/reference/load")).json()
    assert (answer["success"], answer["model_name"]) == (True, "reference")
    assert set(running.gateway.avatars) == {"tiny", "reference"}
    assert (await running.http.post("/api/models/reference/unload")).status_code == 200
    assert set(running.gateway.avatars) == {"tiny"}
    assert (await running.http.post("/api/models/reference/unload")).status_code == 404
    assert files_of(avatars_folder / "reference") == package != {}
    assert (await running.http.post("/api/models/reference/load")).status_code == 200


async def test_an_avatar_that_sessions_use_is_not_withdrawn(running: Running) -> None:
    async with running.gateway.opened("a" * 16, Caller("me", limited=False)):
        running.gateway.use("a" * 16, "tiny")
        refused = await running.http.post("/api/models/tiny/unload")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert (await running.http.get("/api/models/tiny/stats")).json()["sessions_here"] == 1
    assert (await running.http.post("/api/models/tiny/unload")).status_code == 200


async def test_an_avatar_that_no_worker_has_is_not_offered(opened: Opened) -> None:
    async with opened() as made:
        await made.beat("audio", "compositor")
        await made.beat("inference", avatars="tiny")
        refused = await made.http.post("/api/models/reference/load")
        assert refused.status_code == 503
        assert "no inference worker has 'reference'" in refused.json()["message"]
        assert refused.headers["retry-after"]
        assert "reference" not in made.gateway.avatars


async def test_earlier_clients_load_by_a_body_and_their_path_is_never_opened(running: Running) -> None:
    body = {"model_name": "reference", "package_path": "/etc/passwd"}
    answer = (await running.http.post("/api/models/load", json=body)).json()
    assert set(answer) == {"success", "message", "model_name", "load_time_ms"}
    unknown = await running.http.post("/api/models/load", json={"model_name": "nobody"})
    assert unknown.status_code == 404
    assert (unknown.json()["success"], unknown.json()["error"]) == (False, "not_found")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"no json", 400, "body"),
        (b"[]", 400, "body"),
        (b"{}", 400, "model_name"),
        (b'{"model_name": "tiny", "colour": 1}', 400, "colour"),
        (b" " * 70_000, 413, "body"),
    ],
)
async def test_a_faulty_body_is_refused_with_its_field(running: Running, body: bytes, status: int, field: str) -> None:
    answer = await running.http.post("/api/models/load", content=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)


async def test_load_all_offers_what_the_workers_have_and_names_the_rest(opened: Opened) -> None:
    async with opened() as made:
        await made.beat(avatars="tiny")
        answer = (await made.http.post("/api/models/load-all")).json()
        assert (answer["success"], answer["loaded_count"], answer["total_count"]) == (False, 1, 2)
        assert answer["models"] == ["tiny"]
        assert "reference: no audio, inference, compositor worker" in answer["message"]
        await made.beat()
        assert (await made.http.post("/api/models/load-all")).json()["loaded_count"] == 2


async def test_stats_name_the_workers_that_have_it(running: Running) -> None:
    stats = (await running.http.get("/api/models/tiny/stats")).json()
    assert [worker["stage"] for worker in stats["workers"]] == ["audio", "compositor", "inference"]
    assert stats["workers"][0]["tasks"] == 3


async def test_the_video_is_served_whole_with_its_tag(running: Running) -> None:
    avatar = running.gateway.avatars["tiny"]
    content = avatar.file(avatar.manifest.image.template.video).read_bytes()
    whole = await running.http.get(VIDEO)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "video/mp4"
    head = await running.http.head(VIDEO)
    assert (head.headers["content-length"], head.content) == (str(len(content)), b"")


@pytest.mark.parametrize(
    ("asked", "expected"), [("bytes=0-9", slice(0, 10)), ("bytes=5-", slice(5, None)), ("bytes=-7", slice(-7, None))]
)
async def test_a_range_of_the_video_is_that_range(running: Running, asked: str, expected: slice) -> None:
    content = (await running.http.get(VIDEO)).content
    part = await running.http.get(VIDEO, headers={"Range": asked})
    start, stop, _ = expected.indices(len(content))
    assert (part.status_code, part.content) == (206, content[expected])
    assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(content)}"
    assert part.headers["content-length"] == str(stop - start)


async def test_a_range_past_the_end_cannot_be_had(running: Running) -> None:
    size = len((await running.http.get(VIDEO)).content)
    beyond = await running.http.get(VIDEO, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")


async def test_if_range_gives_the_whole_once_the_file_is_another(running: Running) -> None:
    tag = (await running.http.get(VIDEO)).headers["etag"]
    same = await running.http.get(VIDEO, headers={"Range": "bytes=0-9", "If-Range": tag})
    other = await running.http.get(VIDEO, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)

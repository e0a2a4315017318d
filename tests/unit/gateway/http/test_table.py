"""The table of endpoints, its document, and its page."""

import json
import re
import shutil
import time
from pathlib import Path

import httpx
import pytest

from common.background.requests import Frames
from common.records import SessionRecord
from common.sessions import create
from gateway.http.table import ENDPOINTS
from tests.unit.gateway.http.conftest import Opened, Running
from tests.unit.gateway.http.test_jobs import finish

SESSION = "0123456789abcdef"
JOB = "fedcba9876543210"
VALUES = {"name": "tiny", "index": "3", "id": SESSION, "job": JOB}
NOT_SET_UP = {"/token"}
"""Answers 503 without a key; `test_speech_token.py` calls it with one."""


async def has_session(running: Running) -> None:
    now_s = time.time()
    record = SessionRecord(
        avatar="tiny", gateway="elsewhere", state="open", epoch=2, sample_rate=24_000, fps=25, created_at=now_s - 9,
        last_seen=now_s, next_frame=50, concealed=1,
    )  # fmt: skip
    await create(running.gateway.bus.redis, SESSION, record, ttl_s=60)


def has_job(running: Running) -> None:
    """One that is finished."""
    jobs = running.gateway.jobs
    jobs.submit(Frames(avatar="tiny"), JOB)
    finish(jobs, JOB, b"a result")


@pytest.fixture
def pictured_folder(avatars_folder: Path, tmp_path: Path) -> Path:
    """The avatars of the tests; `tiny` has a thumbnail, which makes its package complete."""
    folder = tmp_path / "avatars"
    shutil.copytree(avatars_folder, folder)
    manifest = folder / "tiny" / "avatar.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"thumbnail": "thumbnail.jpg"}))
    (folder / "tiny" / "thumbnail.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    return folder


async def test_every_get_of_the_document_answers_with_what_it_announces(opened: Opened, pictured_folder: Path) -> None:
    async with opened(avatars_dir=pictured_folder) as running:
        await running.beat()
        await has_session(running)
        has_job(running)
        await _walk(running)


async def _walk(running: Running) -> None:
    document = (await running.http.get("/openapi.json")).json()
    called = 0
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        answer = await running.http.get(re.sub(r"{(\w+)}", lambda found: VALUES[found[1]], path))
        called += 1
        if path in NOT_SET_UP:
            assert answer.status_code == 503
            continue
        assert answer.status_code == 200, (path, answer.text)
        (media,) = operations["get"]["responses"]["200"]["content"]
        assert answer.headers["content-type"].startswith(media), path
    assert called == sum("GET" in endpoint.methods for endpoint in ENDPOINTS)


async def test_answers_have_exactly_the_fields_that_their_models_say(running: Running) -> None:
    await has_session(running)
    has_job(running)
    for endpoint in ENDPOINTS:
        if "GET" in endpoint.methods and isinstance(endpoint.response, type) and endpoint.path not in NOT_SET_UP:
            path = re.sub(r"{(\w+)(:\w+)?}", lambda found: VALUES[found[1]], endpoint.path)
            endpoint.response.model_validate((await running.http.get(path)).json())


def test_the_document_is_sound(document: dict[str, object]) -> None:
    text = repr(document)
    references = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert references == set(document["components"]["schemas"]) & references  # type: ignore[index]
    assert references
    names = re.findall(r"'operationId': '(\w+)'", text)
    assert len(names) == len(set(names)) == sum(len(endpoint.methods) for endpoint in ENDPOINTS)


@pytest.fixture
async def document(running: Running) -> dict[str, object]:
    content: dict[str, object] = (await running.http.get("/openapi.json")).json()
    return content


async def test_the_page_shows_every_endpoint_and_needs_no_script(running: Running) -> None:
    page = (await running.http.get("/docs")).text
    for endpoint in ENDPOINTS:
        assert re.sub(r":\w+}", "}", endpoint.path) in page
    assert "<script" not in page
    assert "style=" not in page
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/api/models/nobody", "/api/avatars/tiny/template.mp4"])
async def test_every_answer_has_the_security_headers(running: Running, path: str) -> None:
    headers = (await running.http.get(path)).headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "connect-src 'self' ws: wss: https://api.openai.com" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "microphone=(self)" in headers["permissions-policy"]


async def test_an_answer_to_a_fault_of_ours_has_them_too_and_tells_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.models.every", None)
    answer = await running.http.get("/api/models/tiny/stats")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "NoneType" not in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/token", 405), ("PUT", "/api/models", 405)]
)
async def test_what_is_not_there_is_refused_in_the_shape_of_all_errors(
    running: Running, method: str, path: str, status: int
) -> None:
    answer = await running.http.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) >= {"code", "message", "retryable"}


async def test_a_page_of_another_origin_may_neither_ask_nor_read(running: Running) -> None:
    answer = await running.http.get("/api/avatars", headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (403, "origin")
    assert "access-control-allow-origin" not in answer.headers


async def test_an_allowed_origin_may_ask_and_read(opened: Opened) -> None:
    origin = {"Origin": "https://app.example"}
    async with opened(allowed_origins="https://app.example/") as made:
        answer = await made.http.get("/api/avatars", headers=origin)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
        preflight = await made.http.options("/token", headers=origin | asked)
        assert preflight.status_code == 200
        other = await made.http.get("/api/avatars", headers={"Origin": "https://evil.example"})
        assert (other.status_code, "access-control-allow-origin" in other.headers) == (403, False)


async def test_without_keys_other_machines_get_nothing_at_all(opened: Opened) -> None:
    async with opened(client=("10.0.0.9", 5)) as made:
        for path in ("/", "/healthz", "/api/avatars", "/sample"):
            assert (await made.http.get(path)).status_code == 403


async def test_a_foreign_name_for_this_machine_gets_nothing_either(running: Running) -> None:
    rebound = {"Host": "evil.example:3000", "Origin": "http://evil.example:3000"}
    assert (await running.http.get("/api/avatars", headers=rebound)).status_code == 403


async def test_which_endpoints_take_no_key_is_no_accident(opened: Opened) -> None:
    probes = {"/health", "/config", "/healthz", "/readyz", "/metrics", "/api/capacity"}
    public = probes | {"/openapi.json", "/docs", "/docs.css"}
    async with opened(api_keys="app:app-secret-app-secret", client=("10.0.0.9", 5)) as made:
        for endpoint in ENDPOINTS:
            path = re.sub(r"{(\w+)(:\w+)?}", lambda found: VALUES[found[1]], endpoint.path)
            for method in endpoint.methods:
                answer: httpx.Response = await made.http.request(method, path)
                assert (answer.status_code != 401) == (endpoint.path in public), endpoint.path
                if endpoint.path not in public:
                    assert answer.headers["www-authenticate"] == "Bearer"

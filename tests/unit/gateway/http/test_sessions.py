"""Open sessions over HTTP, and the tokens that open them."""

import asyncio
import time

import pytest

from common.records import SessionRecord
from common.sessions import create
from gateway.doors.caller import Caller
from gateway.doors.tokens import verify
from gateway.open_sessions import SessionEndedError
from tests.unit.gateway.http.conftest import Opened, Running

KEY, SECRET = "app-secret-app-secret", "0123456789abcdef0123456789abcdef"
BEARER = {"Authorization": f"Bearer {KEY}"}


async def record(running: Running, sid: str, age_s: float, gateway: str = "here") -> None:
    now_s = time.time()
    entry = SessionRecord(
        avatar="tiny", gateway=gateway, state="open", epoch=2, sample_rate=24_000, fps=25, created_at=now_s - age_s,
        last_seen=now_s - 1, next_frame=50, concealed=3,
    )  # fmt: skip
    await create(running.gateway.bus.redis, sid, entry, ttl_s=60)


async def test_sessions_are_listed_newest_first(running: Running) -> None:
    await record(running, "a" * 16, age_s=30)
    await record(running, "b" * 16, age_s=10)
    await running.gateway.bus.redis.set("session:{x}:frames", "not a session")
    content = (await running.http.get("/api/sessions")).json()
    assert [session["id"][0] for session in content["sessions"]] == ["b", "a"]
    newest = content["sessions"][0]
    assert (newest["avatar"], newest["epoch"], newest["frames"], newest["concealed"]) == ("tiny", 2, 50, 3)
    assert 10 <= newest["age_s"] < 15
    assert 1 <= newest["silent_s"] < 6
    limited = (await running.http.get("/api/sessions?limit=1")).json()
    assert (len(limited["sessions"]), limited["count"]) == (1, 2)


@pytest.mark.parametrize(("query", "field"), [("limit=0", "limit"), ("limit=x", "limit"), ("colour=red", "colour")])
async def test_a_faulty_query_is_refused_with_its_field(running: Running, query: str, field: str) -> None:
    answer = await running.http.get(f"/api/sessions?{query}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


async def test_one_session_or_none(running: Running) -> None:
    await record(running, "a" * 16, age_s=30)
    assert (await running.http.get(f"/api/sessions/{'a' * 16}")).json()["here"] is False
    assert (await running.http.get("/api/sessions/nobody")).status_code == 404


async def test_ending_a_session_interrupts_it_and_frees_its_place(running: Running) -> None:
    sid = "a" * 16

    async def serve() -> None:
        async with running.gateway.opened(sid, Caller("me")):
            await asyncio.Event().wait()

    session = asyncio.create_task(serve())
    await asyncio.sleep(0)
    assert (await running.http.delete(f"/api/sessions/{sid}")).json() == {"id": sid, "ended": True}
    with pytest.raises(SessionEndedError, match="operator"):
        await session
    assert running.gateway.sessions == {}
    assert (await running.http.delete(f"/api/sessions/{sid}")).status_code == 404


async def test_a_timeout_inside_a_session_is_not_taken_for_an_end(running: Running) -> None:
    with pytest.raises(TimeoutError):
        async with running.gateway.opened("a" * 16, Caller("me")), asyncio.timeout(0.01):
            await asyncio.Event().wait()


async def test_another_gateways_session_is_not_ended_here_and_its_gateway_is_named(running: Running) -> None:
    await record(running, "a" * 16, age_s=1, gateway="there")
    answer = await running.http.delete(f"/api/sessions/{'a' * 16}")
    assert answer.status_code == 409
    assert "there" in answer.json()["error"]["message"]


async def test_a_key_gets_a_token_that_opens_and_manages_nothing(opened: Opened) -> None:
    async with opened(api_keys=f"app:{KEY}", session_secret=SECRET) as made:
        body = {"avatar": "tiny", "sessions": 3, "expires_in_s": 60}
        answer = (await made.http.post("/api/session-tokens", json=body, headers=BEARER)).json()
        claims = verify(answer["token"], SECRET, now_s=time.time(), max_age_s=60)
        assert (claims.sub, claims.avatar, claims.sessions) == ("app", "tiny", 3)
        assert answer["expires_at"] == claims.exp
        shown = {"Authorization": f"Bearer {answer['token']}"}
        assert (await made.http.get("/api/avatars", headers=shown)).status_code == 200
        for method, path in (
            ("GET", "/api/sessions"),
            ("POST", "/api/session-tokens"),
            ("POST", "/api/models/load-all"),
        ):
            assert (await made.http.request(method, path, headers=shown)).status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"avatar": "nobody"}, 404, "name"),
        ({"avatar": "../tiny"}, 400, "avatar"),
        ({"expires_in_s": 3_601}, 400, "expires_in_s"),
        ({"sessions": 0}, 400, "sessions"),
    ],
)
async def test_a_token_for_what_cannot_be_is_not_made(
    opened: Opened, body: dict[str, object], status: int, field: str
) -> None:
    async with opened(api_keys=f"app:{KEY}", session_secret=SECRET) as made:
        answer = await made.http.post("/api/session-tokens", json=body, headers=BEARER)
        assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)


async def test_tokens_need_a_secret_and_a_key(opened: Opened, running: Running) -> None:
    async with opened(api_keys=f"app:{KEY}") as made:
        answer = await made.http.post("/api/session-tokens", headers=BEARER)
        assert answer.status_code == 503
        assert "LIPSTREAM_SESSION_SECRET" in answer.json()["error"]["message"]
    async with opened(session_secret=SECRET) as made:
        assert (await made.http.post("/api/session-tokens")).status_code == 401
    assert (await running.http.post("/api/session-tokens")).status_code == 503

"""`/api/capacity`, and what a gateway answers when it has no room."""

import pytest

from gateway.admission import Admission, OverloadError
from gateway.doors.caller import Caller
from gateway.voice import SETTLING_S
from tests.pipeline import until
from tests.unit.gateway.http.conftest import Opened, Running

ME = Caller("me", limited=False)


async def looked(made: Running) -> Admission:
    """What the gateway knows after its first look; with the poll of these tests there is no second."""
    registry = made.gateway.metrics.registry
    await until(lambda: registry.get_sample_value("lipstream_stage_backlog", {"stage": "audio"}) is not None)
    return made.gateway.admission


async def test_a_gateway_with_room_says_so(opened: Opened) -> None:
    async with opened(capacity_share=0.75, load_poll_s=10) as made:
        (await looked(made)).observe(3.0, 400.0, 2, 50.0)
        answer = await made.http.get("/api/capacity")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert "retry-after" not in answer.headers
        assert answer.json() == {
            "admits": True, "sessions": 0, "sessions_max": 100, "asked_fps": 50.0, "usable_fps": 300.0,
            "measured": True, "oldest_task_ms": 3.0,
        }  # fmt: skip


async def test_a_gateway_without_room_answers_503_with_retry_after(opened: Opened) -> None:
    async with opened(capacity_share=0.75, load_poll_s=10) as made:
        (await looked(made)).observe(3.0, 400.0, 2, 300.0)
        answer = await made.http.get("/api/capacity")
        content = answer.json()
        assert (answer.status_code, content["admits"]) == (503, False)
        assert content["reason"].startswith("12 sessions may speak at once")
        assert answer.headers["retry-after"] == str(content["retry_after_s"])


async def test_sessions_that_come_between_two_looks_count_as_speaking(opened: Opened) -> None:
    async with opened(load_poll_s=10) as made:
        (await looked(made)).observe(0.0, 80.0, 1, 0.0)
        async with made.gateway.opened("a" * 32, ME), made.gateway.opened("b" * 32, ME):
            with pytest.raises(OverloadError, match="2 sessions may speak at once"):
                async with made.gateway.opened("c" * 32, ME):
                    pass
        assert made.gateway.sessions == {}


async def test_sessions_that_keep_silent_take_nobody_s_place(opened: Opened) -> None:
    async with opened(load_poll_s=10) as made:
        gateway = made.gateway
        (await looked(made)).observe(0.0, 34.0, 1, 0.0)
        async with gateway.opened("a" * 32, ME):
            gateway.sessions["a" * 32].voice.opened_s -= SETTLING_S
            async with gateway.opened("b" * 32, ME):
                gateway.sessions["b" * 32].voice.opened_s -= SETTLING_S
                assert gateway.asked_fps == 0
                gateway.hear("a" * 32, 2.0)
                # Sessions of earlier clients are named after their connection's.
                gateway.hear("b" * 32 + "-1", 2.0)
                assert (gateway.asked_fps, gateway.speaking) == (50, 2)
                with pytest.raises(OverloadError):
                    gateway.check_room()


async def test_a_session_that_comes_back_is_admitted_whatever_the_load(opened: Opened) -> None:
    async with opened(load_poll_s=10, max_sessions=4) as made:
        gateway = made.gateway
        admission = await looked(made)
        for _ in range(9):
            admission.observe(9_000.0, 1.0, 1, 500.0)
        for count in range(5):
            gateway.check_room(resumed=True)
            gateway.sessions[str(count)] = None  # type: ignore[assignment]
        with pytest.raises(OverloadError, match="this gateway is full"):
            gateway.check_room(resumed=True)
        gateway.sessions.clear()
        with pytest.raises(OverloadError, match="9000 ms behind"):
            gateway.check_room()


async def test_load_does_not_make_a_gateway_unready(opened: Opened) -> None:
    async with opened(load_poll_s=10) as made:
        await made.beat()
        admission = await looked(made)
        for _ in range(9):
            admission.observe(9_000.0, 1.0, 1, 500.0)
        assert (await made.http.get("/readyz")).status_code == 200

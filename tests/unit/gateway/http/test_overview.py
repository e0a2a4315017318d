"""Health, readiness and configuration."""

import pytest

from tests.unit.gateway.http.conftest import Opened, Running


async def test_health_has_the_shapes_of_both_earlier_servers(running: Running) -> None:
    answer = await running.http.get("/health")
    content = answer.json()
    assert (answer.status_code, content["status"], content["healthy"]) == (200, "healthy", True)
    assert content["services"] == {
        "openai_api": "not configured", "frame_generator": "healthy", "grpc_service": "healthy",
    }  # fmt: skip
    assert (content["total_backends"], content["healthy_count"]) == (1, 1)
    assert content["backends"] == [{"address": "box:7", "healthy": True, "total_requests": 3, "error_count": 1}]


async def test_health_without_an_inference_worker_is_503(opened: Opened) -> None:
    async with opened(openai_api_key="sk-test") as made:
        await made.beat("audio")
        answer = await made.http.get("/health")
        assert (answer.status_code, answer.json()["healthy"], answer.json()["backends"]) == (503, False, [])
        assert answer.json()["services"]["openai_api"] == "configured"
        assert answer.json()["services"]["frame_generator"] == "missing: inference, compositor"
        assert "sk-test" not in answer.text


async def test_readiness_without_redis_says_so(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(running.gateway.bus.redis, "scan_iter", broken)
    answer = await running.http.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["redis"])
    assert (await running.http.get("/health")).status_code == 503
    stats = await running.http.get("/api/models/tiny/stats")
    assert (stats.status_code, stats.json()["error"]["code"]) == (503, "bus_unavailable")
    assert stats.headers["retry-after"] == "5"


async def test_the_configuration_has_the_true_values(opened: Opened) -> None:
    async with opened(audio_ring_frames=400, task_frames=5) as made:
        content = (await made.http.get("/config")).json()
        assert content["audio"] == {
            "sampleRate": 24_000, "chunkDuration": 40.0, "bufferSize": 400, "batchSize": 5,
            "inferenceFrames": made.gateway.avatars["tiny"].manifest.audio.window.length,
        }  # fmt: skip
        assert content["models"] == ["tiny"]
        assert content["endpoints"]["modelVideo"] == "/api/model-video/{model_name}"

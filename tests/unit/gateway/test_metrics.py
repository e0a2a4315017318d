"""What the gateway makes of the stages' stamps."""

from gateway.metrics import Metrics, parse_timings


def test_stamps_are_read_by_stage() -> None:
    assert parse_timings("audio=0.5/1.0,inference=2.0/8.5") == {"audio": (0.5, 1.0), "inference": (2.0, 8.5)}
    assert parse_timings("") == {}


def test_two_gateways_have_metrics_of_their_own() -> None:
    one, other = Metrics(), Metrics()
    one.observe_stages({"audio": (1000.0, 10.0)})
    assert one.registry.get_sample_value("lipstream_stage_wait_seconds_sum", {"stage": "audio"}) == 1.0
    assert other.registry.get_sample_value("lipstream_stage_wait_seconds_sum", {"stage": "audio"}) is None

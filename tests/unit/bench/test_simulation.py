"""The simulation against closed formulas, against itself, and against what must hold of any pipeline."""

from collections.abc import Callable
from random import Random
from statistics import fmean

import pytest
from simpy import Environment, Event

from bench.simulation.cores import Cores, Thread
from bench.simulation.run import Result, simulate
from bench.simulation.world import Scene, Stream
from cli.plan.coefficients import Cost, Measurement, Stage
from common.avatars.package import Avatar
from common.settings import Settings
from tests.measured import measured, with_cost

ONE_EACH: dict[Stage, int] = {"audio": 1, "inference": 1, "compositor": 1}
JOBS = 20_000


def mean_stay_ms(serve: Callable[[Environment], Callable[[float], Event]], work_ms: Callable[[Random], float]) -> float:
    """Mean time from coming to leaving of Poisson arrivals, 0.7 in each millisecond."""
    env, random, stays_ms = Environment(), Random(1), list[float]()
    run = serve(env)

    def come():  # type: ignore[no-untyped-def]
        for _ in range(JOBS):
            yield env.timeout(random.expovariate(0.7))
            begun_ms, done = env.now, run(work_ms(random))
            assert done.callbacks is not None
            done.callbacks.append(lambda _, begun_ms=begun_ms: stays_ms.append(env.now - begun_ms))

    env.process(come())
    env.run()
    assert len(stays_ms) == JOBS
    return fmean(stays_ms)


def test_one_core_for_all_is_the_processor_sharing_queue() -> None:
    """M/M/1 with processor sharing: mean stay = s / (1 - rho)."""
    stay_ms = mean_stay_ms(lambda env: Cores(env, 1).run, lambda random: random.expovariate(1))
    assert stay_ms == pytest.approx(1 / (1 - 0.7), rel=0.06)


def test_sharing_does_not_mind_how_work_is_distributed() -> None:
    """M/G/1 with processor sharing depends on the mean alone."""
    stay_ms = mean_stay_ms(lambda env: Cores(env, 1).run, lambda _: 1.0)
    assert stay_ms == pytest.approx(1 / (1 - 0.7), rel=0.06)


def test_a_thread_is_the_queue_of_fixed_service() -> None:
    """M/D/1: mean stay = s + rho * s / (2 * (1 - rho))."""
    stay_ms = mean_stay_ms(lambda env: Thread(env, None).run, lambda _: 1.0)
    assert stay_ms == pytest.approx(1 + 0.7 / (2 * 0.3), rel=0.06)


def test_three_bursts_share_two_cores() -> None:
    env = Environment()
    cores = Cores(env, 2)
    ends_ms: list[float] = []

    def job(work_ms: float):  # type: ignore[no-untyped-def]
        yield cores.run(work_ms)
        ends_ms.append(env.now)

    for work_ms in (10.0, 10.0, 20.0):
        env.process(job(work_ms))
    env.run()
    # Two thirds of a core each for 15 ms, then one alone with a whole one for what is left of its 20.
    assert ends_ms == pytest.approx([15, 15, 25])
    assert cores.busy_ms == pytest.approx(40)


def test_who_wakes_a_core_up_waits_longer() -> None:
    env = Environment()
    cores = Cores(env, 1, drowsy=1.5)
    first, second = cores.run(10), cores.run(10)
    env.run(second)
    assert (first.triggered, env.now) == (False, 20), "10 for it, and as much for the first meanwhile"
    env.run(first)
    assert env.now == 25


def test_a_stream_gives_each_item_to_one_taker_in_order() -> None:
    env = Environment()
    stream = Stream(env)
    first, second = stream.take(2), stream.take(2)
    for item in (1, 2, 3, 4):
        stream.put(item)
    assert (first.value, second.value, stream.take(8).value, stream.oldest()) == ([1], [2], [3, 4], None)


@pytest.fixture
def run(tiny_avatar: Avatar) -> Callable[..., Result]:
    def run(measurement: Measurement | None = None, settings: Settings | None = None, **scene: object) -> Result:
        wanted = {"sessions": 2, "workers": ONE_EACH, "seconds": 6.0, "warm_up_s": 2.0, **scene}
        return simulate(Scene(**wanted), measurement or measured(), tiny_avatar.manifest, settings or Settings())  # type: ignore[arg-type]

    return run


def test_the_same_seed_gives_the_same_result_and_another_one_another(run: Callable[..., Result]) -> None:
    assert run(cores=2.0, seed=1) == run(cores=2.0, seed=1)
    assert run(cores=2.0, seed=1) != run(cores=2.0, seed=2)


def test_few_sessions_get_every_frame_after_about_the_sum_of_its_costs(run: Callable[..., Result]) -> None:
    found = run(sessions=1)
    assert (found.on_time, found.dropped) == (1.0, 0)
    assert found.painted_fps == pytest.approx(25, rel=0.02)
    # Audio 3, inference 11, compositor 3, Redis 7 of 8 visits of 1 ms, the gateway's 3 for a task and its frame.
    assert found.p50_ms == pytest.approx(3 + 11 + 3 + 7 / 8 + 3, rel=0.1)


def test_a_round_trip_is_waited_for_as_often_as_workers_make_one(run: Callable[..., Result]) -> None:
    near, far = run(sessions=1), run(sessions=1, network_ms=1.0)
    assert near.p50_ms is not None
    assert far.p50_ms is not None
    # Three of five, of four and of five come before a task is passed on, with one to publish; two at the gateway.
    assert far.p50_ms - near.p50_ms == pytest.approx(0.6 * 14 + 2, abs=1.5)


def test_a_machine_sustains_its_cores_divided_by_the_cost_of_a_frame(run: Callable[..., Result]) -> None:
    no_gain = {part: Cost(task_ms=0, frame_ms=cost.live_ms) for part, cost in measured().costs.items()}
    found = run(measured(costs=no_gain), sessions=4, cores=2.0, workers={**ONE_EACH, "inference": 2}, seconds=12.0)
    assert found.cores == pytest.approx(2, rel=0.02)
    # Frames that are begun and never shown cost something too, hence at most.
    assert 0.8 < found.painted_fps / (2 * 1000 / 24) <= 1.05


def test_a_stage_of_one_process_does_no_more_than_one_thread_can(run: Callable[..., Result]) -> None:
    slow = with_cost("inference", Cost(task_ms=0, frame_ms=40))
    found = run(slow, sessions=3, seconds=12.0)
    assert found.painted_fps <= 25 * 1.03
    assert found.busy["inference"] == pytest.approx(1, abs=0.03)
    assert found.oldest_ms["inference"] > Settings().queue_age_high_ms
    assert found.on_time < 0.5


def test_sessions_that_wait_for_room_get_what_the_machine_can_do_and_lose_nothing(run: Callable[..., Result]) -> None:
    no_gain = {part: Cost(task_ms=0, frame_ms=cost.live_ms) for part, cost in measured().costs.items()}
    scene = {"sessions": 4, "cores": 2.0, "workers": {**ONE_EACH, "inference": 2}, "seconds": 10.0}
    found = run(measured(costs=no_gain), pace="lossless", **scene)
    assert found.painted_fps == pytest.approx(2 * 1000 / 24, rel=0.06)
    assert (found.on_time, found.dropped) == (1.0, 0)


def test_more_load_is_never_faster(run: Callable[..., Result]) -> None:
    found = [run(sessions=number, cores=2.0, workers={**ONE_EACH, "inference": 2}).p95_ms for number in (1, 2, 3, 4)]
    assert found == sorted(found)  # type: ignore[type-var]


def test_sessions_that_pause_ask_for_less(run: Callable[..., Result]) -> None:
    many = {"audio": 4, "inference": 12, "compositor": 4}
    whole, half = (
        run(sessions=12, workers=many, gateways=4, pause_ms=pause_ms, seconds=20.0) for pause_ms in (0.0, 6_000.0)
    )
    assert half.asked_fps / whole.asked_fps == pytest.approx(0.5, abs=0.15)
    assert half.on_time > 0.99


def test_a_batch_that_costs_by_itself_is_filled_when_there_is_much_to_do(run: Callable[..., Result]) -> None:
    on_gpu = with_cost("inference", Cost(batch_ms=20, task_ms=0, frame_ms=1), gpu="made-up")
    found = run(on_gpu, sessions=12, workers={"audio": 2, "inference": 1, "compositor": 2}, gateways=2)
    # One at a time it would make 48 a second.
    assert found.painted_fps == pytest.approx(300, rel=0.03)
    assert found.on_time == 1.0

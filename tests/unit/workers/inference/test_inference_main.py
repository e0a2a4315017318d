"""An inference worker says what loading its models took."""

from pathlib import Path

import fakeredis

from common.settings import Settings
from common.worker import Worker
from workers.inference.main import build


async def test_each_avatars_models_are_loaded_once_and_the_time_is_told(avatars_folder: Path) -> None:
    settings = Settings(avatars_dir=avatars_folder, avatars=("tiny",))
    stage = build(settings)
    (load,) = stage.loads
    assert (load.avatar, load.provider) == ("tiny", "cpu")
    assert load.seconds > 0
    redis = fakeredis.FakeAsyncRedis(version=(6, 2))
    registry = Worker(stage, redis, settings).metrics.registry
    labels = {"avatar": "tiny", "provider": "cpu"}
    assert registry.get_sample_value("lipstream_model_load_seconds_count", labels) == 1
    assert registry.get_sample_value("lipstream_model_load_seconds_sum", labels) == load.seconds
    await redis.aclose()

"""The walk over the keys: what is found, and that it is bounded."""

import fakeredis
import pytest

from cli.inspect import keyspace
from cli.inspect.keyspace import classify, walk


def test_keys_are_told_apart_and_those_of_other_programs_left_out() -> None:
    found = classify([
        "session:{abc}", "session:{abc}:audio", "session:{abc}:frames", "stage:compositor", "stage:inference:gpu",
        "stage:audio", "dead:audio", "worker:audio:host-1-abcdef", "gateway:g:inbox", "gateway:g", "blob:{abc}:x",
        "rq:queue:default", "secret:resume",
    ])  # fmt: skip
    assert found.sessions == ("session:{abc}",)
    assert found.streams == ("stage:audio", "stage:inference:gpu", "stage:compositor")
    assert (found.dead, found.inboxes) == (("dead:audio",), ("gateway:g:inbox",))
    assert found.workers == ("worker:audio:host-1-abcdef",)


async def test_a_walk_over_many_keys_goes_on_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyspace, "PAGE_KEYS", 10)
    monkeypatch.setattr(keyspace, "PAGES", 2)
    redis = fakeredis.FakeAsyncRedis()
    await redis.mset({f"session:{{s{number:03}}}": "" for number in range(95)})
    looks = [await walk(redis)]
    while not looks[-1].finished:
        assert len(looks[-1].names.sessions) == min(95, 20 * len(looks))
        looks.append(await walk(redis, looks[-1]))
    assert (len(looks), len(looks[-1].names.sessions)) == (5, 95)
    assert max(look.commands for look in looks) == 2
    # While the next walk is under way, what the last one found is still shown.
    assert len((await walk(redis, looks[-1])).names.sessions) == 95

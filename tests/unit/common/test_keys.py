"""Keys: the hash tag, and that nobody else spells one."""

import re
from pathlib import Path

from common import keys


def test_all_keys_of_a_session_share_its_hash_tag() -> None:
    found = [keys.session("abc"), keys.audio_ring("abc"), keys.frame_ring("abc"), keys.blob("abc", "x")]
    assert all("{abc}" in key for key in found)
    assert len(set(found)) == 4


def test_an_audio_entry_is_never_zero_which_redis_refuses() -> None:
    assert (keys.audio_entry(0), keys.audio_entry(41)) == ("1-0", "42-0")


def test_only_the_keys_module_spells_keys() -> None:
    root = Path(__file__).parents[3]
    spelled = re.compile(r'f?"(session|stage|blob|gateway|dead|worker):')
    for folder in ("common", "workers", "gateway", "cli"):
        for path in (root / folder).rglob("*.py"):
            if path.name != "keys.py":
                assert not spelled.search(path.read_text()), path

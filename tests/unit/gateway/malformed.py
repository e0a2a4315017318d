"""Generators of what a client should not send, in `lipstream.v1` and in the earlier protocols."""

import json
from typing import Any

from hypothesis import strategies as st

KINDS = ["start", "begin", "flush", "clear", "switch", "ping", "end", "", "Start", "segment", "hello"]
FIELDS = [
    "v", "avatar", "sample_rate", "format", "pace", "idle", "output", "quality", "token", "template", "shown", "id",
    "colour", "",
]  # fmt: skip


def scalars() -> st.SearchStrategy[Any]:
    """Numbers of any size and text with lone surrogates among them."""
    texts = st.text(st.characters(), max_size=20)
    return st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | texts


def json_values() -> st.SearchStrategy[Any]:
    """Anything that JSON can say, nested."""
    return st.recursive(
        scalars(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )


def message_like() -> st.SearchStrategy[dict[str, Any]]:
    """Objects with the protocol's own words and wrong values."""
    fields = st.dictionaries(st.sampled_from(FIELDS), json_values(), max_size=4)
    kinds = st.sampled_from(KINDS) | json_values()
    return st.builds(lambda kind, rest: {"type": kind, **rest}, kinds, fields)


def near_json() -> st.SearchStrategy[str]:
    """Messages with a piece cut out or put in."""

    def damaged(message: dict[str, Any], start: int, length: int, inserted: str) -> str:
        text = json.dumps(message)
        return text[: start % len(text)] + inserted + text[start % len(text) + length :]

    return st.builds(damaged, message_like(), st.integers(0, 200), st.integers(0, 3), st.text(max_size=3))


def spoilt(text: str) -> list[str]:
    """The text, and it cut short, doubled, with something put in and something left out: generated once, sent often."""
    middle = len(text) // 2
    return [text, text[:middle], text + text, f"{text[:middle]}\x00{text[middle:]}", text[1:]]

"""The template's pictures: made once, whoever asks."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.avatars.package import Avatar
from common.errors import AvatarError
from gateway import template
from gateway.template import template_jpeg


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The avatars that were encoded, in order."""
    found: list[str] = []
    encoded = template._encoded

    def counted(avatar: Avatar, quality: int) -> tuple[bytes, ...]:
        found.append(avatar.name)
        return encoded(avatar, quality)

    monkeypatch.setattr(template, "_encoded", counted)
    monkeypatch.setattr(template, "_KEPT", type(template._KEPT)())
    monkeypatch.setattr(template, "KEPT", 4)
    return found


def test_many_who_ask_at_once_get_one_encoding(tiny_avatar: Avatar, encodings: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        pictures = set(pool.map(lambda _: template_jpeg(tiny_avatar, 3, 70), range(8)))
    assert len(pictures) == 1
    assert encodings == ["tiny"]


def test_a_few_are_kept_and_the_one_unused_for_longest_goes(tiny_avatar: Avatar, encodings: list[str]) -> None:
    for quality in (60, 70, 80, 90, 60, 50, 60):
        template_jpeg(tiny_avatar, 0, quality)
    assert len(encodings) == 5
    template_jpeg(tiny_avatar, 0, 70)
    assert len(encodings) == 6


def test_a_failure_reaches_who_asked_and_is_tried_again(
    tiny_avatar: Avatar, tmp_path: Path, encodings: list[str]
) -> None:
    broken = dataclasses.replace(tiny_avatar, folder=tmp_path)
    for _ in range(2):
        with pytest.raises(AvatarError, match="lacks its file"):
            template_jpeg(broken, 0, 70)
    assert len(encodings) == 2

"""Fixtures that several parts share."""

from pathlib import Path

import pytest

from common.avatars.package import Avatar, load
from tests.avatar_package import write_package


@pytest.fixture(scope="session")
def avatars_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages `tiny` and `reference`; not to be written to."""
    folder = tmp_path_factory.mktemp("avatars")
    write_package(folder, "tiny", family="demo")
    write_package(folder, "reference", family="reference")
    return folder


@pytest.fixture(scope="session")
def tiny_avatar(avatars_folder: Path) -> Avatar:
    """An avatar of the demo's family: pasted 1:1, no ring."""
    return load(avatars_folder, "tiny")


@pytest.fixture(scope="session")
def reference_avatar(avatars_folder: Path) -> Avatar:
    """An avatar of the reference model's family: ring, resized crops, masked picture, 16 audio rows a frame."""
    return load(avatars_folder, "reference")

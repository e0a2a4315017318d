"""Fixtures that several parts share."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from common.avatars.package import Avatar, load
from tests.avatar_package import write_package


def pytest_configure() -> None:
    """How long an example takes says something of the machine, not of the example."""
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


@pytest.fixture(scope="session")
def avatars_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages `tiny` and `reference`; not to be written to."""
    folder = tmp_path_factory.mktemp("avatars")
    write_package(folder, "tiny", family="demo")
    write_package(folder, "reference", family="reference")
    return folder


@pytest.fixture
def unused_tcp_port() -> int:
    """In the place of pytest-asyncio's, which systems may give to somebody else before it is used."""
    # Heavy, and few need it.
    from tests.pipeline import free_port

    return free_port()


@pytest.fixture(scope="session")
def tiny_avatar(avatars_folder: Path) -> Avatar:
    """An avatar of the demo's family: pasted 1:1, no ring."""
    return load(avatars_folder, "tiny")


@pytest.fixture(scope="session")
def reference_avatar(avatars_folder: Path) -> Avatar:
    """An avatar of the reference model's family: ring, resized crops, masked picture, 16 audio rows a frame."""
    return load(avatars_folder, "reference")

"""The avatars that sessions may have here."""

from pathlib import Path
from typing import Any

from tests.avatar_package import write_package


def settings_of(name: str, folder: Path) -> dict[str, Any]:
    """Settings for `demo`, which ships, or for `tiny`, written into `folder`: its models cost next to nothing."""
    if name == "demo":
        return {}
    write_package(folder, name)
    return {"avatars_dir": folder, "avatars": (name,)}

"""The avatars that a process serves, loaded once at its start."""

from common.avatars.package import Avatar, default_folder, load
from common.settings import Settings


def load_all(settings: Settings) -> dict[str, Avatar]:
    """The avatars that the settings name, by name.

    Raises
    ------
    AvatarError
        One of them is unknown, broken, or of a kind that is not supported.
    """
    folder = settings.avatars_dir or default_folder()
    return {name: load(folder, name) for name in settings.avatars}


def stream_pool(avatars: dict[str, Avatar], name: str) -> str:
    """The inference pool that serves an avatar; unknown names go to the default pool, which says so."""
    return avatars[name].manifest.pool if name in avatars else "default"

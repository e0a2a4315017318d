"""What the earlier clients are told of the avatars, which they call models."""

from typing import Any, Final

from common.avatars.package import Avatar
from gateway.context import Gateway
from gateway.earlier.messages import VIDEO_TYPES

DEFAULT_NAMES: Final = ("", "default_model")
"""How clients call a model that they have not chosen: their token's, else the gateway's first."""


def find(gateway: Gateway, session: str, name: str) -> Avatar:
    """The avatar of a name, which the session uses from now on; never another one in its place.

    Raises
    ------
    InputError, AvatarForbiddenError
        The name is not offered here; the client's token is bound to another.
    """
    if name in DEFAULT_NAMES:
        name = gateway.sessions[session].caller.avatar or next(iter(gateway.avatars), "")
    return gateway.use(session, name)


def metadata(avatar: Avatar, name: str) -> dict[str, Any]:
    """The fields of `metadata`, under the name that the client asked for; `bounds` are those of frame 0."""
    template = avatar.manifest.image.template
    return {
        "success": True,
        "model_name": name or avatar.name,
        "frame_count": template.frames,
        "available_videos": list(VIDEO_TYPES),
        "audio_path": "",
        "bounds": list(avatar.crops[0]),
        "fps": avatar.manifest.fps,
        "width": template.width,
        "height": template.height,
    }

"""`lipstream avatar`: what is in the folder of avatars."""

from pathlib import Path
from typing import Any

from common.avatars.package import Avatar, load, names
from common.avatars.timeline import encoder_of, lookahead_samples, lookback_samples
from common.errors import AvatarError
from common.media import SAMPLE_RATE_HZ


def rows(folder: Path) -> list[dict[str, Any]]:
    """One record an avatar, by name; a broken one has its fault under `error` instead of its facts."""
    found: list[dict[str, Any]] = []
    for name in names(folder):
        try:
            avatar = load(folder, name)
        except AvatarError as error:
            found.append({"name": name, "error": error.message})
        else:
            found.append(_brief(avatar))
    return found


def details(folder: Path, name: str) -> dict[str, Any]:
    """Everything worth knowing of one avatar.

    Raises
    ------
    AvatarError
        It is unknown or broken.
    """
    avatar = load(folder, name)
    manifest = avatar.manifest
    image, template = manifest.image, manifest.image.template
    models = (encoder_of(manifest).model, *manifest.models)
    return _brief(avatar) | {
        "folder": str(avatar.folder),
        "pool": manifest.pool,
        "template": f"{template.frames} frames, {template.loop}",
        "mouth": f"{image.inner[0]}x{image.inner[1]}",
        "models": ", ".join(models),
        "models_bytes": sum(avatar.file(file).stat().st_size for file in models),
        "samples_per_frame": manifest.samples_per_frame,
        "lookback_ms": _ms(lookback_samples(manifest)),
    }


def _brief(avatar: Avatar) -> dict[str, Any]:
    manifest = avatar.manifest
    template = manifest.image.template
    return {
        "name": avatar.name,
        "title": manifest.title,
        "licence": manifest.licence,
        "fps": manifest.fps,
        "size": f"{template.width}x{template.height}",
        "lookahead_ms": _ms(lookahead_samples(manifest)),
    }


def _ms(samples: int) -> float:
    return samples * 1000 / SAMPLE_RATE_HZ

"""What all connections of a gateway share."""

from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version

import cv2

from common.avatars.package import Avatar
from common.settings import Settings
from gateway.bus import GatewayBus
from gateway.metrics import Metrics


@dataclass(slots=True)
class Gateway:
    """One gateway process."""

    settings: Settings
    avatars: dict[str, Avatar]
    bus: GatewayBus
    metrics: Metrics = field(default_factory=Metrics)
    sessions: set[str] = field(default_factory=set)

    @property
    def version(self) -> str:
        return version("lipstream")

    @property
    def is_full(self) -> bool:
        return len(self.sessions) >= self.settings.max_sessions


@lru_cache(maxsize=4)
def _template_jpegs(avatar: Avatar, quality: int) -> tuple[bytes, ...]:
    """The whole template as JPEGs; some 60 kB a 720p frame, so a few avatars are kept and no more."""
    subsampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, subsampling]
    return tuple(cv2.imencode(".jpg", picture, flags)[1].tobytes() for picture in avatar.template_frames())


def template_jpeg(avatar: Avatar, index: int, quality: int) -> bytes:
    """A template frame as JPEG. The first call for an avatar decodes its whole video: call it off the event loop."""
    return _template_jpegs(avatar, quality)[index]

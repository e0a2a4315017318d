"""A recording run again in this process, without Redis: the stages' own functions over each of its utterances."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, cast

from common.avatars.package import Avatar
from common.frames import FrameHeader
from common.recording.plan import Audio, Begin, Clear, Flush, Step, Switch, plan
from common.recording.recording import Key, Recording
from common.resample import StreamResampler
from common.settings import Settings
from workers.offline.render import Stages, View, load_stages, render_frames


class Shown(NamedTuple):
    """A frame that a run has given."""

    key: Key
    picture: bytes


class Utterance(NamedTuple):
    """A segment of the recording with its whole audio, PCM16 at the session's rate."""

    epoch: int
    audio: int
    avatar: str
    template: int
    pcm: bytes


AvatarOf = Callable[[str], Avatar]


def utterances(recording: Recording) -> Iterator[Utterance]:
    """The segments in order, as the steps of the plan make them."""
    avatar, begin, pcm = str(recording.header.avatar["avatar"]), None, bytearray()
    for step in [*plan(recording), _END]:
        match step:
            case Begin():
                begin, pcm = step, bytearray()
            case Audio():
                pcm += step.pcm
            case Flush() | Switch() | Clear():
                if begin is not None:
                    yield Utterance(begin.epoch, begin.audio, avatar, begin.template, bytes(pcm))
                begin, pcm = None, bytearray()
        avatar = step.avatar if isinstance(step, Switch) else avatar


_END: Final[Step] = Flush(0)


def wanted_frames(keys: Iterable[Key]) -> dict[tuple[int, int], int]:
    """How many frames of each segment, by its epoch and first sample, are needed to have these."""
    counts: dict[tuple[int, int], int] = {}
    for epoch, audio, offset in keys:
        counts[epoch, audio] = max(counts.get((epoch, audio), 0), offset + 1)
    return counts


@dataclass(slots=True)
class Offline:
    """Runs recordings again; an avatar is loaded when it is first needed."""

    settings: Settings
    avatar_of: AvatarOf
    _stages: dict[str, tuple[Avatar, Stages]] = field(default_factory=dict)

    def run(self, recording: Recording, keys: Iterable[Key] | None = None) -> Iterator[Shown]:
        """The frames that were sent, or those of `keys`, and those before them in their segments.

        Raises
        ------
        AvatarError, ProviderError
            An avatar or the settings' provider is not there.
        """
        header, counts = recording.header, wanted_frames(recording.frames if keys is None else keys)
        settings = self.settings.model_copy(update={"jpeg_quality": header.quality})
        output = cast('Literal["frame", "patch"]', header.output)
        for each in utterances(recording):
            frames = counts.get((each.epoch, each.audio), 0)
            if frames:
                avatar, stages = self._loaded(each.avatar, settings)
                resampler = StreamResampler(header.sample_rate)
                pcm = resampler.push(each.pcm) + resampler.finish()
                view = View(each.template, frames, output)
                for offset, message in enumerate(render_frames(avatar.manifest, stages, pcm, settings, view)):
                    yield Shown(Key(each.epoch, each.audio, offset), FrameHeader.unpack(message)[1])

    def _loaded(self, name: str, settings: Settings) -> tuple[Avatar, Stages]:
        if name not in self._stages:
            avatar = self.avatar_of(name)
            self._stages[name] = avatar, load_stages(avatar, settings)
        return self._stages[name]

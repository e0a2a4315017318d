"""`lipstream render`: a file into a video or a folder of frames, offline."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cli.output import opened
from cli.progress import Summary, bar
from common.avatars.package import default_folder, load
from common.errors import InputError
from common.frames import FrameHeader
from common.media import BYTES_PER_SAMPLE, frames_covering
from common.settings import Settings
from workers.offline.media import read_audio
from workers.offline.render import load_stages, pcm_of, render_frames


def render_file(
    audio: Path, avatar_name: str, settings: Settings, output: Path | None, frames_dir: Path | None
) -> Summary:
    """Render a recording into a video, a folder of frames, or both.

    Raises
    ------
    InputError
        The audio cannot be used, or no usable place for the result was named.
    AvatarError, ProviderError
        The avatar or the settings' provider is not there.
    """
    if output is None and frames_dir is None:
        raise InputError("say where the result goes: --output FILE.mp4, --frames FOLDER, or both", field="output")
    clip, started_s = read_audio(audio), time.monotonic()
    avatar = load(settings.avatars_dir or default_folder(), avatar_name)
    manifest = avatar.manifest
    with ThreadPoolExecutor(max_workers=1) as pool:
        loading = pool.submit(load_stages, avatar, settings)
        pcm = pcm_of(clip)
        stages = loading.result()
    frames = frames_covering(len(pcm) // BYTES_PER_SAMPLE, manifest.samples_per_frame)
    with opened(output, frames_dir, manifest.fps, clip) as write, bar(f"rendering {audio.name}", frames) as advance:
        for message in render_frames(manifest, stages, pcm, settings):
            _, picture = FrameHeader.unpack(message)
            write(picture)
            advance()
    return Summary(
        avatar=avatar_name,
        frames=frames,
        concealed=0,
        duration_s=clip.duration_s,
        wall_s=time.monotonic() - started_s,
        output=str(output) if output else None,
        frames_dir=str(frames_dir) if frames_dir else None,
    )

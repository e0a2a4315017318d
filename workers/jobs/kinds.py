"""What each kind of job does: a function of its request that leaves its result in a local file, if it has one."""

import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2

from common.avatars.package import Avatar, default_folder, load
from common.background.files import JobFiles
from common.background.requests import Export, Frames, Kind, Outcome, Prune, Render, ResultFile
from common.errors import AudioError, InputError, LipstreamError
from common.frames import FrameHeader
from common.media import BYTES_PER_SAMPLE, frames_covering
from common.places import told
from common.recording.recording import read
from common.recording.store import Store, days_ago, store_at
from common.settings import Settings
from workers.offline.film import filming
from workers.offline.media import open_mp4, read_audio
from workers.offline.render import load_stages, pcm_of, render_frames
from workers.offline.replay import Offline

log = logging.getLogger(__name__)

FORMATS: Final = "aac,ac3,aiff,amr,au,caf,flac,matroska,webm,mov,mp4,m4a,mp3,ogg,opus,w64,wav"
"""FFmpeg's names of the containers that an upload may be. None of them makes it open anything else."""


class Work(NamedTuple):
    """What a job has beside its request: an empty `folder`, and `tell` for how many parts of how many are done."""

    job: str
    settings: Settings
    files: JobFiles
    folder: Path
    tell: Callable[[int, int], None]

    @property
    def out(self) -> Path:
        return self.folder / "out.mp4"

    def avatar(self, name: str) -> Avatar:
        return load(self.settings.avatars_dir or default_folder(), name)

    def with_quality(self, quality: int | None) -> Settings:
        return self.settings.model_copy(update={"jpeg_quality": quality or self.settings.jpeg_quality})


def render(request: Render, work: Work) -> Outcome:
    """The uploaded audio, said by an avatar.

    Raises
    ------
    AudioError, AvatarError, ProviderError
        The upload is no audio; the avatar or the settings' provider is not there.
    """
    source = work.folder / "audio"
    try:
        work.files.fetch_upload(work.job, source)
    except FileNotFoundError as error:
        raise InputError("the uploaded audio is not there any more", field="audio") from error
    try:
        clip = read_audio(source, max_s=work.settings.jobs_audio_s, formats=FORMATS)
    except AudioError as error:
        # Whoever sent it is told nothing of our folders.
        raise AudioError(error.message.replace(str(source), "the upload"), field="audio", limit=error.limit) from error
    settings, avatar, pcm = work.with_quality(request.quality), work.avatar(request.avatar), pcm_of(clip)
    manifest = avatar.manifest
    total = frames_covering(len(pcm) // BYTES_PER_SAMPLE, manifest.samples_per_frame)
    work.tell(0, total)
    with open_mp4(work.out, manifest.fps, clip) as video:
        frames = render_frames(manifest, load_stages(avatar, settings), pcm, settings)
        for done, message in enumerate(frames, start=1):
            video.write(FrameHeader.unpack(message)[1])
            work.tell(done, total)
    facts = {"frames": total, "fps": manifest.fps, "duration_s": round(clip.duration_s, 3)}
    return _kept(work, work.out, f"{request.avatar}.mp4", "video/mp4", facts)


def export(request: Export, work: Work) -> Outcome:
    """The frames that a recorded session was sent, one utterance after the other.

    Raises
    ------
    RecordingError, InputError, AvatarError, StoreError
        There is no such recording; it has no frames, or none to film; an avatar is not there; the place of the
        recordings fails.
    """
    with _recordings(work) as store:
        contents = store.contents(request.session)
    recording = read(contents)
    total, done = len(recording.frames), 0
    if not total:
        raise InputError("no frame was sent in that session: there is nothing to film", field="session")
    work.tell(0, total)
    with filming(recording, work.out) as take:
        for shown in Offline(work.settings, work.avatar).run(recording):
            take(shown)
            done += shown.key in recording.frames
            work.tell(done, total)
    facts = {"frames": total, "fps": recording.header.fps, "lost_bytes": recording.lost_bytes}
    return _kept(work, work.out, f"{request.session}.mp4", "video/mp4", facts)


def frames(request: Frames, work: Work) -> Outcome:
    """The pictures of an avatar's template, as a gateway gives them one by one.

    Raises
    ------
    AvatarError
        It is not there, or broken.
    """
    avatar, quality = work.avatar(request.avatar), request.quality or work.settings.jpeg_quality
    total, out = avatar.manifest.image.template.frames, work.folder / "out.zip"
    # JPEGs do not get smaller.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for index, picture in enumerate(avatar.template_frames()):
            encoded, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if not encoded:
                raise LipstreamError(f"template frame {index} cannot be encoded")
            archive.writestr(f"{index:06d}.jpg", jpeg.tobytes())
            work.tell(index + 1, total)
    return _kept(work, out, f"{request.avatar}-frames.zip", "application/zip", {"frames": total})


def prune(request: Prune, work: Work) -> Outcome:
    """Old recordings are removed.

    Raises
    ------
    InputError, StoreError
        Neither the request nor the settings say how old is old; the place of the recordings fails.
    """
    days = request.days or work.settings.recordings_keep_days
    if days is None:
        raise InputError("how old is old? Say days, or set recordings_keep_days", field="days")
    with _recordings(work) as store:
        pruned = store.prune(days_ago(days))
    log.info("removed %d recordings that were older than %g days", len(pruned), days)
    work.tell(len(pruned), len(pruned))
    return Outcome(facts={"pruned": pruned, "days": days})


DO: Final[Mapping[Kind, Callable[[Any, Work], Outcome]]] = {
    "render": render, "export": export, "frames": frames, "prune": prune,
}  # fmt: skip


@contextmanager
def _recordings(work: Work) -> Iterator[Store]:
    """The recordings, within what turns the errors of their place into `StoreError`: another try may help."""
    with told("the recordings", "recordings_url"):
        yield store_at(work.settings.recordings_url)


def _kept(work: Work, file: Path, name: str, media_type: str, facts: dict[str, Any]) -> Outcome:
    work.files.keep_result(work.job, file)
    result = ResultFile(name=name, media_type=media_type, size_bytes=file.stat().st_size)
    return Outcome(facts=facts, file=result)

"""Makes the painter's training pictures: template regions and what speech turns them into.

The faces of the data set are 328 px pictures of a 350 px square. They are enlarged to native size, given back the
crispness that the detour cost, compared with the closed-mouth face of the same template frame, and laid over the
template as the server will decode it only where speech moves the face. So still skin keeps its own pixels.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.dataset import (
    CROP_PX,
    REGION_HEIGHT_PX,
    REGION_WIDTH_PX,
    REGION_X_PX,
    REGION_Y_PX,
    Clip,
    clips,
    read_video,
    region_of,
    template_crops,
)

SHARPEN_AMOUNT = 0.15
REGION = np.s_[REGION_Y_PX : REGION_Y_PX + REGION_HEIGHT_PX, REGION_X_PX : REGION_X_PX + REGION_WIDTH_PX]


def native(face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Enlarge a 328 px face to the native 350 px square, float32, 0..255."""
    size = (CROP_PX, CROP_PX)
    return cv2.resize(face.astype(np.float32), size, interpolation=cv2.INTER_CUBIC).astype(np.float32)


def neutral_faces(found: list[Clip]) -> dict[int, NDArray[np.float32]]:
    """Return the closed-mouth face of every template frame, averaged over the clips without speech, native size."""
    seen: dict[int, list[NDArray[np.float32]]] = {}
    for clip in found:
        if clip.voice == "none":
            for frame, template_frame in enumerate(clip.template_frames):
                seen.setdefault(template_frame, []).append(native(clip.face(frame)))
    return {frame: np.mean(faces, axis=0, dtype=np.float32) for frame, faces in seen.items()}


def sharpened(face: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give an enlarged face the crispness of native template pixels (equal Laplacian energy at the lips)."""
    return face + SHARPEN_AMOUNT * (face - cv2.GaussianBlur(face, (0, 0), 1.0))


def speaking(template: NDArray[np.uint8], neutral: NDArray[np.float32], face: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Put speech on template pixels, all (height, width, 3) BGR.

    Where nothing moved, the template's own pixels stay. Where the face changed it is laid over them whole: adding the
    difference instead would leave ghosts of the closed mouth's sharp lines.
    """
    change = np.abs(face - neutral).max(axis=-1)
    strongest = cv2.dilate(cv2.GaussianBlur(change, (0, 0), 1.2), np.ones((5, 5), np.uint8))
    moved = cv2.GaussianBlur(np.clip((strongest - 5.0) / 7.0, 0.0, 1.0), (0, 0), 1.5)[..., None]
    added = template + (face - neutral)
    tone = cv2.GaussianBlur(template.astype(np.float32) - neutral, (0, 0), 6.0)
    mixed = added + moved * (face + tone - added)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), dtype=np.uint8)


def prepare(data: Path, work: Path) -> None:
    """Write ``regions.npy`` (250 template regions) and, one row per picture, targets, codes and bookkeeping."""
    found = clips(data)
    neutral = {frame: sharpened(face) for frame, face in neutral_faces(found).items()}
    boxes = template_crops(data)
    frames = read_video(data / "template" / "template.mp4")
    regions = np.stack([cut(frame, boxes[index]) for index, frame in enumerate(frames)])
    rows = [(clip, frame) for clip in found for frame in range(len(clip.template_frames))]
    work.mkdir(parents=True, exist_ok=True)
    targets = np.lib.format.open_memmap(work / "targets.tmp.npy", "w+", np.uint8, (len(rows), *regions.shape[1:]))
    for row, (clip, frame) in enumerate(rows):
        template_frame = clip.template_frames[frame]
        face = sharpened(native(clip.face(frame)))[REGION]
        targets[row] = speaking(regions[template_frame], neutral[template_frame][REGION], face)
    targets.flush()
    np.save(work / "regions.npy", regions)
    np.save(work / "codes.npy", np.concatenate([clip.visemes() for clip in found]))
    np.save(work / "openness.npy", np.concatenate([clip.openness() for clip in found]))
    np.save(work / "template_frames.npy", np.concatenate([clip.template_frames for clip in found]))
    np.save(work / "clip_numbers.npy", np.repeat(np.arange(len(found)), [len(c.template_frames) for c in found]))
    np.save(work / "held_out.npy", np.array([clip.held_out for clip, _ in rows]))
    (work / "targets.tmp.npy").rename(work / "targets.npy")


def cut(frame: NDArray[np.uint8], crop: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Cut the painted region of a face square out of a template frame."""
    x1, y1, x2, y2 = region_of(crop)
    return frame[y1:y2, x1:x2]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the stages make")
    options = parser.parse_args()
    prepare(options.data, options.work)


if __name__ == "__main__":
    main()

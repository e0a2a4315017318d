"""Measures the exported package end to end: sound in, pixels out, against the true pictures, voice by voice.

The mouth opening of generated frames is measured on their pixels by a readout: a ridge regression from the 4x reduced
mouth box (as difference to the template) to the true opening, fitted on true pictures of the training voices only.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from training.dataset import Clip, clips, read_video, template_crops
from training.painter_boxes import MOUTH as MOUTH_BOX
from training.pictures import cut
from training.windows import frame_windows
from workers.audio.mel import mel_spectrogram

LEFT, TOP, RIGHT, BOTTOM = MOUTH_BOX
MOUTH = np.s_[TOP:BOTTOM, LEFT:RIGHT]
CHIN = np.s_[150:176, 100:220]
"""Skin that moves with the jaw: how sharp the mouth's surroundings are."""
CLOSED_PX: Final = 2.0
"""Openings under this (of the 328 px face) pass for closed lips."""
BATCHES: Final = (1, 2, 3, 7, 16, 32)

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Package:
    """The exported networks and the template regions, as the server uses them."""

    encoder: onnxruntime.InferenceSession
    painter: onnxruntime.InferenceSession
    regions: Frames

    @classmethod
    def load(cls, folder: Path, data: Path) -> "Package":
        """Open the files with one thread each."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        frames = read_video(folder / "template.mp4")
        return cls(
            onnxruntime.InferenceSession(str(folder / "audio_encoder.onnx"), options),
            onnxruntime.InferenceSession(str(folder / "painter.onnx"), options),
            np.stack([cut(frame, crop) for frame, crop in zip(frames, template_crops(data), strict=True)]),
        )

    def hear(self, sound: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
        """Return features, (frames, 16), of mono sound at 16 kHz."""
        windows = frame_windows(mel_spectrogram(sound), frames)
        return np.concatenate([self.encoder.run(None, {"mel": windows[k : k + 1]})[0] for k in range(frames)])

    def paint(self, template_frames: NDArray[np.int64], features: NDArray[np.float32]) -> Frames:
        """Return painted regions, (frames, 208, 320, 3) BGR."""
        painted = np.empty((len(features), *self.regions.shape[1:]), dtype=np.uint8)
        for row, (frame, feature) in enumerate(zip(template_frames, features, strict=True)):
            image = np.ascontiguousarray(self.regions[frame].transpose(2, 0, 1)[None]).astype(np.float32) / 255
            output = self.painter.run(None, {"image": image, "audio": feature[None, None]})[0][0]
            painted[row] = np.rint(255 * output).astype(np.uint8).transpose(1, 2, 0)
        return painted


def reduced(pictures: Frames, templates: Frames) -> Floats:
    """Return the readout's inputs, (frames, 3840): mouth boxes 4x reduced, less the template's."""
    change = pictures[:, TOP:BOTTOM, LEFT:RIGHT].astype(np.float32) - templates[:, TOP:BOTTOM, LEFT:RIGHT]
    rows, height, width, colours = change.shape
    small = change.reshape(rows, height // 4, 4, width // 4, 4, colours).mean(axis=(2, 4))
    return np.asarray(small.reshape(rows, -1), dtype=np.float64)


def fit_readout(inputs: Floats, opening: Floats, ridge: float = 3e3) -> Callable[[Floats], Floats]:
    """Fit the pixel readout (kernel form of ridge regression); it returns openings in px of the 328 px face."""
    weights = inputs.T @ np.linalg.solve(inputs @ inputs.T + ridge * np.eye(len(inputs)), opening)
    return lambda pictures: np.asarray(pictures @ weights)


def correlation(a: Floats, b: Floats) -> float:
    """Return Pearson's r."""
    return float(np.corrcoef(a, b)[0, 1])


def laplacian(picture: Frames, part: tuple[slice, slice] = MOUTH) -> float:
    """Return the sharpness of a part of a picture: the variance of its Laplacian."""
    grey = cv2.cvtColor(np.ascontiguousarray(picture[part]), cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def similarity(picture: Frames, truth: Frames) -> float:
    """Return the SSIM of the mouth box (grey)."""
    first, second = (cv2.cvtColor(np.ascontiguousarray(p[MOUTH]), cv2.COLOR_BGR2GRAY) for p in (picture, truth))
    return float(structural_similarity(first, second, data_range=255))  # type: ignore[no-untyped-call]


def border_difference(pictures: Frames, templates: Frames) -> int:
    """Return the largest difference to the template on the outermost pixels."""
    difference = np.abs(pictures.astype(np.int16) - templates)
    edges = (difference[:, 0], difference[:, -1], difference[:, :, 0], difference[:, :, -1])
    return int(max(edge.max() for edge in edges))


def clip_figures(
    clip: Clip, truth: Frames, package: Package, readout: Callable[[Floats], Floats]
) -> tuple[dict[str, float], Frames]:
    """Return one clip's figures and its generated frames."""
    codes, opening = clip.visemes(), clip.openness().astype(np.float64)
    places = np.array(clip.template_frames)
    templates = package.regions[places]
    features = package.hear(clip.audio(), len(places))
    painted = package.paint(places, features)
    measured = readout(reduced(painted, templates))
    figures: dict[str, float] = {"frames": len(places), "border_difference": border_difference(painted, templates)}
    if clip.voice == "none":
        figures |= {"opening_p95_px": float(np.quantile(measured, 0.95)), "opening_max_px": float(measured.max())}
        return figures, painted
    told = package.paint(places, codes)
    lips = (codes[:, 1] > 0.6) & (opening < 1.0)
    rows = range(0, len(places), 3)
    figures |= {
        "r": correlation(measured, opening),
        "r_told": correlation(readout(reduced(told, templates)), opening),
        "r_truth": correlation(readout(reduced(truth, templates)), opening),
        "range": float(measured.std() / opening.std()),
        "lag_frames": best_lag(measured, opening),
        "ssim": float(np.mean([similarity(painted[k], truth[k]) for k in rows])),
        "ssim_told": float(np.mean([similarity(told[k], truth[k]) for k in rows])),
        "sharpness": sum(laplacian(painted[k]) for k in rows) / sum(laplacian(truth[k]) for k in rows),
        "sharpness_told": sum(laplacian(told[k]) for k in rows) / sum(laplacian(truth[k]) for k in rows),
        "sharpness_chin": sum(laplacian(told[k], CHIN) for k in rows) / sum(laplacian(truth[k], CHIN) for k in rows),
        "bilabials": int(lips.sum()),
    }
    if lips.any():
        figures |= {
            "bilabials_closed": float((measured[lips] < CLOSED_PX).mean()),
            "bilabials_px": float(measured[lips].mean()),
        }
    return figures, painted


def best_lag(measured: Floats, truth: Floats) -> int:
    """Return by how many frames the picture comes late (negative: early)."""
    shifts = range(-3, 4)
    scores = [correlation(measured[3 + k : len(truth) - 3 + k], truth[3:-3]) for k in shifts]
    return int(shifts[int(np.argmax(scores))])


def run_time_ms(call: Callable[[], object], repeats: int = 60) -> float:
    """Return the median processor time of a call in ms (one thread, so other work on the machine does not count)."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return 1e3 * float(np.median(spent[5:]))


def network_figures(package: Package) -> dict[str, object]:
    """Return one-thread times and whether results are the same bytes at any batch size."""
    random = np.random.default_rng(0)
    mel: NDArray[np.float32] = random.uniform(-4, 1, (32, 1, 80, 48)).astype(np.float32)
    image = np.asarray(package.regions[:32].transpose(0, 3, 1, 2), dtype=np.float32, order="C") / np.float32(255)
    audio = np.asarray(random.dirichlet(np.ones(16), (32, 1)), dtype=np.float32)

    def same(session: onnxruntime.InferenceSession, inputs: dict[str, NDArray[np.float32]]) -> bool:
        results = set()
        for size in BATCHES:
            parts = [{name: rows[k : k + size] for name, rows in inputs.items()} for k in range(0, 32, size)]
            results.add(b"".join(session.run(None, part)[0].tobytes() for part in parts))
        return len(results) == 1

    return {
        "encoder_ms": run_time_ms(lambda: package.encoder.run(None, {"mel": mel[:1]})),
        "painter_ms": run_time_ms(lambda: package.painter.run(None, {"image": image[:1], "audio": audio[:1]})),
        "encoder_batch_invariant": same(package.encoder, {"mel": mel}),
        "painter_batch_invariant": same(package.painter, {"image": image, "audio": audio}),
    }


def contact_sheet(pairs: list[tuple[Frames, Frames]], path: Path) -> None:
    """Write generated pictures (left) beside true ones (right), native size, two pairs a row."""
    cells = [np.hstack(pair) for pair in pairs[: len(pairs) // 2 * 2]]
    cv2.imwrite(str(path), np.vstack([np.hstack(cells[k : k + 2]) for k in range(0, len(cells), 2)]))


def evaluate(data: Path, work: Path, folder: Path) -> dict[str, object]:
    """Measure every clip; training voices tell how far the held-out ones fall behind."""
    package, found = Package.load(folder, data), clips(data)
    targets = np.load(work / "targets.npy", mmap_mode="r")
    numbers, held_out = np.load(work / "clip_numbers.npy"), np.load(work / "held_out.npy")
    places, opening = np.load(work / "template_frames.npy"), np.load(work / "openness.npy").astype(np.float64)
    known = np.flatnonzero(~held_out)[::2]
    readout = fit_readout(reduced(np.asarray(targets[known]), package.regions[places[known]]), opening[known])
    table: dict[str, dict[str, float]] = {}
    pairs: list[tuple[Frames, Frames]] = []
    for number, clip in enumerate(found):
        truth = np.asarray(targets[numbers == number])
        figures, painted = clip_figures(clip, truth, package, readout)
        kind = "held out" if clip.held_out else "no speech" if clip.voice == "none" else "trained"
        table[f"{kind} {clip.folder.name} {clip.voice}"] = figures
        print(f"{kind:10} {clip.voice:9}", " ".join(f"{k} {v:.3f}" for k, v in figures.items()), flush=True)
        if clip.held_out:
            pairs += [(painted[k], truth[k]) for k in range(20, len(painted) - 10, len(painted) // 5)]
    contact_sheet(pairs, work / "contact_sheet.png")
    unseen = [figures for name, figures in table.items() if name.startswith("held out")]
    means = {key: float(np.mean([figures[key] for figures in unseen if key in figures])) for key in unseen[0]}
    result: dict[str, object] = {"clips": table, "held_out_mean": means, "networks": network_figures(package)}
    print("held-out mean", {k: round(v, 3) for k, v in means.items()}, result["networks"])
    (work / "figures.json").write_text(json.dumps(result, indent=2) + "\n")
    return result


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Measure the avatar package.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder with the prepared pictures; figures go here")
    parser.add_argument("--package", type=Path, required=True, help="folder of the avatar package")
    options = parser.parse_args()
    evaluate(options.data, options.work, options.package)


if __name__ == "__main__":
    main()

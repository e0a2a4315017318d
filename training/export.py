"""Writes the avatar package: both networks as ONNX, the template clip, its regions, a thumbnail and the facts."""

import argparse
import json
import shutil
from pathlib import Path
from typing import Final

import cv2
import torch
from torch import Tensor, nn

from training.checkpoint import averaged
from training.dataset import (
    FRAME_RATE_HZ,
    REGION_HEIGHT_PX,
    REGION_WIDTH_PX,
    REGION_X_PX,
    REGION_Y_PX,
    VISEMES,
    read_video,
    region_of,
    template_crops,
)
from training.painter_model import Painter
from training.rig import viseme_table
from training.sound_model import FUTURE_COLUMNS, MEL_BANDS, PAST_COLUMNS, WINDOW_COLUMNS, SoundEncoder

OPSET: Final = 17
THUMBNAIL_PX: Final = 320
THUMBNAIL_SQUARE: Final = (370, 60, 910, 600)


def write_onnx(path: Path, model: nn.Module, inputs: dict[str, Tensor], output: str) -> None:
    """Export a network with the batch as its only free axis, in one rename."""
    temporary = path.with_suffix(".tmp")
    torch.onnx.export(
        model.eval(),
        tuple(inputs.values()),
        str(temporary),
        input_names=list(inputs),
        output_names=[output],
        dynamic_axes={name: {0: "batch"} for name in (*inputs, output)},
        opset_version=OPSET,
        dynamo=False,
    )
    temporary.rename(path)


def export_sound(work: Path, package: Path) -> None:
    """Write ``audio_encoder.onnx``."""
    model = SoundEncoder()
    model.load_state_dict(averaged(work / "sound.pt"))
    write_onnx(package / "audio_encoder.onnx", model, {"mel": torch.zeros(1, 1, MEL_BANDS, WINDOW_COLUMNS)}, "features")


def export_painter(data: Path, work: Path, package: Path) -> None:
    """Write ``painter.onnx``."""
    model = Painter(viseme_table(data))
    model.load_state_dict(averaged(work / "painter.pt"))
    image, audio = torch.zeros(1, 3, REGION_HEIGHT_PX, REGION_WIDTH_PX), torch.zeros(1, 1, len(VISEMES))
    write_onnx(package / "painter.onnx", model, {"image": image, "audio": audio}, "output")


def export_template(data: Path, package: Path) -> None:
    """Write the clip, the painted rectangle of each of its frames, and the thumbnail."""
    shutil.copyfile(data / "template" / "template.mp4", package / "template.mp4")
    rectangles = [list(region_of(crop)) for crop in template_crops(data)]
    rows = ",\n".join(json.dumps(rectangle) for rectangle in rectangles)
    (package / "crops.json").write_text(f"[\n{rows}\n]\n")
    x1, y1, x2, y2 = THUMBNAIL_SQUARE
    square = read_video(package / "template.mp4")[0][y1:y2, x1:x2]
    small = cv2.resize(square, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(package / "thumbnail.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 90])


def facts() -> dict[str, object]:
    """Return what a manifest must say about this avatar."""
    return {
        "frame_rate_hz": FRAME_RATE_HZ,
        "mel": {"bands": MEL_BANDS, "columns_per_second": 80, "silence": -4.0},
        "encoder": {
            "file": "audio_encoder.onnx",
            "input": "mel",
            "input_shape": ["batch", 1, MEL_BANDS, WINDOW_COLUMNS],
            "output": "features",
            "output_shape": ["batch", len(VISEMES)],
            "first_column": "16 * frame // 5",
            "past_columns": PAST_COLUMNS,
            "future_columns": FUTURE_COLUMNS,
            "window_columns": WINDOW_COLUMNS,
            "column_padding": "silence",
            "features": list(VISEMES),
            "feature_range": [0.0, 1.0],
        },
        "painter": {
            "file": "painter.onnx",
            "image": "image",
            "image_shape": ["batch", 3, REGION_HEIGHT_PX, REGION_WIDTH_PX],
            "audio": "audio",
            "audio_shape": ["batch", 1, len(VISEMES)],
            "feature_window": [0, 1],
            "feature_padding": "zeros",
            "output": "output",
            "colour": "BGR",
            "value_range": [0.0, 1.0],
            "paste": "round(255 * output), one to one, no resize",
        },
        "region": {
            "width_px": REGION_WIDTH_PX,
            "height_px": REGION_HEIGHT_PX,
            "offset_in_face_crop_px": [REGION_X_PX, REGION_Y_PX],
        },
        "template": {"file": "template.mp4", "frames": 250, "width_px": 1280, "height_px": 720, "loop": "seamless"},
        "look_ahead_samples": "at most 640 * frame + 3400",
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Write the avatar package.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder with the checkpoints")
    parser.add_argument("--package", type=Path, required=True, help="folder of the avatar package")
    options = parser.parse_args()
    options.package.mkdir(parents=True, exist_ok=True)
    export_sound(options.work, options.package)
    export_painter(options.data, options.work, options.package)
    export_template(options.data, options.package)
    (options.package / "facts.json").write_text(json.dumps(facts(), indent=2) + "\n")


if __name__ == "__main__":
    main()

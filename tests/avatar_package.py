"""Writes small but real avatar packages: an H.264 template, crops, and ONNX models that run.

The models' weights come from a seeded generator. They are no mouths, but what the painter paints depends on every
pixel of its pictures and on every value of its audio tensor, so a mistake anywhere before it shows in the pixels.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from common.avatars.manifest import Manifest
from common.avatars.package import MANIFEST_FILE
from common.avatars.timeline import lookahead_samples, lookback_samples

Family = Literal["demo", "reference"]
Crop = tuple[int, int, int, int]
OPSET = 17
IR_VERSION = 8


def write_package(
    folder: Path,
    name: str = "tiny",
    *,
    family: Family = "demo",
    frames: int = 12,
    width: int = 256,
    height: int = 160,
    fps: int = 25,
    loop: Literal["cycle", "ping_pong"] = "ping_pong",
    start: int = 0,
    crops: Sequence[Crop] | None = None,
    pool: str = "default",
    seed: int = 0,
) -> Path:
    """Write the package `folder/name`.

    Parameters
    ----------
    family : `demo`: a 96x64 picture pasted 1:1, and one audio row a frame from a centred window padded with silence.
        `reference`: as SyncTalk-2D, an 88x88 picture with a ring of 4 px, resized to crops of varying sizes, the
        masked picture stacked behind the reference, and 16 audio rows a frame.
    crops : one rectangle a template frame; None: some that wander (and for `reference`, shrink and grow).
    seed : of the weights; another seed makes an avatar that paints something else.

    Returns
    -------
    Path
        The package's folder. `common.avatars.package.load(folder, name)` reads it.
    """
    package = folder / name
    package.mkdir(parents=True)
    content = _manifest(name, family, fps, pool)
    content["image"]["template"] |= {
        "frames": frames, "width": width, "height": height, "loop": loop, "start": start,
    }  # fmt: skip
    rects = list(crops) if crops is not None else wandering_crops(family, frames, width, height)
    (package / "crops.json").write_text(json.dumps(rects), encoding="utf-8")
    write_template(package / "template.mp4", frames, width, height, fps)
    manifest = Manifest.model_validate(content)
    rng = np.random.default_rng(seed)
    onnx.save(encoder_model(manifest, rng), str(package / "encoder.onnx"))
    onnx.save(painter_model(manifest, rng), str(package / "painter.onnx"))
    content["lookahead_samples"] = lookahead_samples(manifest)
    content["lookback_samples"] = lookback_samples(manifest)
    (package / MANIFEST_FILE).write_text(json.dumps(content, indent=2), encoding="utf-8")
    return package


def wandering_crops(family: Family, frames: int, width: int, height: int) -> list[Crop]:
    """Crops around the middle that move and, for `reference`, are 60 to 128 px wide, one of them exactly 88."""
    rects = []
    for index in range(frames):
        w, h = (96, 64) if family == "demo" else ((60 + 14 * index % 69,) * 2 if index else (88, 88))
        x = (width - w) // 2 + round(9 * np.sin(index))
        y = (height - h) // 2 + round(7 * np.cos(index))
        rects.append((x, y, x + w, y + h))
    return rects


def write_template(path: Path, frames: int, width: int, height: int, fps: int) -> None:
    """A smooth gradient that moves, as H.264."""
    rows, columns = np.mgrid[0:height, 0:width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            waves = [np.sin(columns / 31 + index / 5), np.sin(rows / 23 - index / 7), np.cos((rows + columns) / 43)]
            picture = np.stack([127.5 + 90 * wave for wave in waves], axis=-1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


def encoder_model(manifest: Manifest, rng: np.random.Generator) -> onnx.ModelProto:
    """(batch, 1, bands, columns) -> (batch, features): one convolution as large as the window, and ReLU."""
    encoder = manifest.audio.encoder
    assert encoder is not None
    _, bands, columns = encoder.input.shape
    features = encoder.features
    weights = {
        "kernel": rng.normal(0, 1.5 / np.sqrt(bands * columns), (features, 1, bands, columns)),
        "bias": rng.normal(0.5, 0.5, features),
    }
    nodes = [
        helper.make_node("Conv", [encoder.input.name, "kernel", "bias"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("Flatten", ["positive"], [encoder.output.name]),
    ]
    inputs = {encoder.input.name: encoder.input.shape}
    return _model("encoder", nodes, weights, inputs, {encoder.output.name: encoder.output.shape})


def painter_model(manifest: Manifest, rng: np.random.Generator) -> onnx.ModelProto:
    """Pictures and audio rows -> sigmoid(blurred pictures + a bump in the middle, coloured by the audio)."""
    image, audio, output = manifest.image.tensor, manifest.audio.tensor, manifest.output.tensor
    channels, height, width = image.shape
    maps = audio.shape if len(audio.shape) == 3 else (*audio.shape, 1, 1)
    kernel = rng.normal(0, 0.1, (3, channels, 3, 3))
    kernel[range(3), range(3), 1, 1] += 4
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    weights = {
        "picture_kernel": kernel,
        "picture_bias": np.full(3, -2.0),
        "audio_kernel": rng.normal(0, 2 / np.sqrt(np.prod(maps)), (3, *maps)),
        "bump": np.exp(-2 * (rows**2 + columns**2)) + 0.05,
    }
    nodes = [
        helper.make_node("Conv", [image.name, "picture_kernel", "picture_bias"], ["blurred"], pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", [audio.name, "maps_shape"], ["maps"]),
        helper.make_node("Conv", ["maps", "audio_kernel"], ["colour"]),
        helper.make_node("Mul", ["colour", "bump"], ["change"]),
        helper.make_node("Add", ["blurred", "change"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], [output.name]),
    ]
    inputs = {image.name: image.shape, audio.name: audio.shape}
    shapes = {"maps_shape": np.array([-1, *maps], dtype=np.int64)}
    return _model("painter", nodes, weights, inputs, {output.name: output.shape}, shapes)


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[np.float64]],
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    constants: dict[str, NDArray[np.int64]] | None = None,
) -> onnx.ModelProto:
    def values(tensors: dict[str, tuple[int, ...]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(k, TensorProto.FLOAT, ["batch", *shape]) for k, shape in tensors.items()]

    arrays = {key: array.astype(np.float32) for key, array in weights.items()} | (constants or {})
    initializers = [numpy_helper.from_array(array, key) for key, array in arrays.items()]
    graph = helper.make_graph(nodes, name, values(inputs), values(outputs), initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def _manifest(name: str, family: Family, fps: int, pool: str) -> dict[str, Any]:
    """The manifest as plain data; the reach is filled in by `write_package`, which derives it."""
    audio, image, rounding = _FAMILIES[family]
    width, height = (side - 2 * image["border_px"] for side in image["size"])
    return {
        "format": "lipstream.avatar/1",
        "name": name,
        "title": f"Test avatar of the {family} family",
        "licence": "CC0-1.0",
        "fps": fps,
        "pool": pool,
        "audio": {"frontend": {"kind": "mel"}, **audio},
        "image": {
            "template": {"video": "template.mp4"},
            "crops": "crops.json",
            "tensor": {"name": "picture", "shape": [3 * len(image["stack"]), height, width]},
            **image,
        },
        "models": ["painter.onnx"],
        "output": {"tensor": {"name": "painted", "shape": [3, height, width]}, "rounding": rounding},
        "paste": {"interpolation": image["interpolation"]},
        "lookahead_samples": 0,
        "lookback_samples": 0,
    }


def _encoder(columns: tuple[int, int], features: int, pads: tuple[str, str]) -> dict[str, Any]:
    start, stop = columns
    return {
        "model": "encoder.onnx",
        "input": {"name": "mel", "shape": [1, 80, stop - start]},
        "output": {"name": "features", "shape": [features]},
        "window": {"start": start, "stop": stop, "pad_start": pads[0], "pad_end": pads[1]},
    }


_ZEROS = {"pad_start": "zeros", "pad_end": "zeros"}
_FAMILIES: dict[Family, tuple[dict[str, Any], dict[str, Any], str]] = {
    "demo": (
        {
            "encoder": _encoder((-32, 16), 16, ("silence", "silence")),
            "window": {"start": 0, "stop": 1, **_ZEROS},
            "tensor": {"name": "audio", "shape": [16]},
        },
        {"size": [96, 64], "border_px": 0, "interpolation": "linear", "stack": ["reference"]},
        "nearest",
    ),
    "reference": (
        {
            "encoder": _encoder((0, 16), 32, ("zeros", "clamp")),
            "window": {"start": -8, "stop": 8, "lead_in": 1, "lead_out": 1, **_ZEROS},
            "tensor": {"name": "audio", "shape": [32, 4, 4]},
        },
        {
            "size": [88, 88],
            "border_px": 4,
            "interpolation": "cubic",
            "stack": ["reference", "masked"],
            "masks": [{"x": 5, "y": 5, "width": 70, "height": 66}],
        },
        "truncate",
    ),
}

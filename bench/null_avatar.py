"""The demo avatar with networks that copy their input: what its frames then cost is everything but the networks."""

import json
import shutil
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from common.avatars.manifest import Tensor
from common.avatars.package import MANIFEST_FILE, default_folder, load

NAME: Final = "null"
_OPSET: Final = 17
_IR_VERSION: Final = 8


def write(folder: Path) -> None:
    """Write the package `folder/null`: pictures, sizes and windows are those of the demo avatar."""
    package = folder / NAME
    shutil.copytree(default_folder() / "demo", package)
    path = package / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": NAME}))
    manifest = load(folder, NAME).manifest
    encoder = manifest.audio.encoder
    assert encoder is not None
    bounds = {"begin": 0, "stop": encoder.output.shape[0], "axis": 1}
    constants = [numpy_helper.from_array(np.array([value], np.int64), name) for name, value in bounds.items()]
    first = [
        helper.make_node("Flatten", [encoder.input.name], ["values"]),
        helper.make_node("Slice", ["values", *bounds], [encoder.output.name]),
    ]
    _save(package / encoder.model, first, [encoder.input], encoder.output, constants)
    painted = manifest.output.tensor
    copy = [helper.make_node("Identity", [manifest.image.tensor.name], [painted.name])]
    _save(package / manifest.models[0], copy, [manifest.image.tensor, manifest.audio.tensor], painted, [])


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[Tensor],
    output: Tensor,
    constants: list[onnx.TensorProto],
) -> None:
    def info(tensor: Tensor) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, ["batch", *tensor.shape])

    graph = helper.make_graph(nodes, NAME, [info(each) for each in inputs], [info(output)], constants)
    opsets = [helper.make_opsetid("", _OPSET)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION), str(path))

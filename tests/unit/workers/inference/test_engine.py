"""Networks: the provider that was asked for or an error, and tensors as the manifest announces them."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from common.avatars.manifest import Tensor
from common.errors import AvatarError, ProviderError
from workers.inference import engine
from workers.inference.engine import check_provider, load_engine

INPUTS = [Tensor(name="left", shape=(2, 3)), Tensor(name="right", shape=(2, 3))]
OUTPUT = Tensor(name="sum", shape=(2, 3))


def write_sum(path: Path, batch: str | int = "batch", axis: str | int = 3, dtype: int = TensorProto.FLOAT) -> Path:
    """A network that adds its two inputs."""
    tensors = [helper.make_tensor_value_info(name, dtype, [batch, 2, axis]) for name in ("left", "right", "sum")]
    graph = helper.make_graph([helper.make_node("Add", ["left", "right"], ["sum"])], "sum", tensors[:2], tensors[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_sum(tmp_path / "sum.onnx")


def feeds_of(batch: int, dtype: Any = np.float32) -> dict[str, Any]:
    left = np.arange(batch * 6).reshape(batch, 2, 3).astype(dtype)
    return {"left": left, "right": 10 * left}


@pytest.mark.parametrize("size", [1, 5])
def test_a_batch_of_any_size_runs(network: Path, size: int) -> None:
    loaded = load_engine(network, INPUTS, OUTPUT, "cpu", 1)
    assert np.array_equal(loaded.run(feeds_of(size)), 11 * feeds_of(size)["left"])


def test_a_cpu_takes_one_item_at_a_time(network: Path) -> None:
    assert load_engine(network, INPUTS, OUTPUT, "cpu", 2).batch == 1


def test_a_graph_exported_for_one_item_takes_one_item_at_a_time_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LARGEST_BATCH", {"cpu": 32})
    one, any_number = write_sum(tmp_path / "one.onnx", batch=1), write_sum(tmp_path / "any.onnx")
    assert load_engine(one, INPUTS, OUTPUT, "cpu", 1).batch == 1
    assert load_engine(any_number, INPUTS, OUTPUT, "cpu", 1).batch == 32


def test_inputs_are_converted_to_the_type_of_the_graph(tmp_path: Path) -> None:
    path = write_sum(tmp_path / "half.onnx", dtype=TensorProto.FLOAT16)
    tensors = [tensor.model_copy(update={"dtype": "float16"}) for tensor in (*INPUTS, OUTPUT)]
    result = load_engine(path, tensors[:2], tensors[2], "cpu", 1).run(feeds_of(2))
    assert result.dtype == np.float16
    assert np.array_equal(result, 11 * feeds_of(2)["left"])


def test_the_provider_and_threads_in_use_are_logged(network: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        loaded = load_engine(network, INPUTS, OUTPUT, "cpu", 2)
    assert "sum.onnx runs on CPUExecutionProvider with 2 threads" in caplog.text
    assert loaded.session.get_session_options().intra_op_num_threads == 2


def test_a_provider_that_is_not_installed_is_an_error_that_says_what_to_install(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(engine.ort, "InferenceSession", lambda *_, **__: pytest.fail("a session was opened"))
    with pytest.raises(ProviderError, match=r"provider 'cuda' was asked for.*install onnxruntime-gpu"):
        load_engine(network, INPUTS, OUTPUT, "cuda", 1)


def test_a_provider_that_onnx_runtime_drops_without_a_word_is_an_error(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = engine.ort.InferenceSession
    monkeypatch.setattr(engine.ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(engine.ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(
        engine.ort, "InferenceSession", lambda path, options, providers: real(path, options, ["CPUExecutionProvider"])
    )
    with pytest.raises(ProviderError, match=r"ONNX Runtime has CPUExecutionProvider"):
        load_engine(network, INPUTS, OUTPUT, "cuda", 1)


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine may have CUDA")
def test_cuda_is_never_replaced_by_the_cpu_on_a_machine_without_it(network: Path) -> None:
    with pytest.raises(ProviderError, match="provider 'cuda' was asked for"):
        load_engine(network, INPUTS, OUTPUT, "cuda", 1)


def test_a_provider_behind_others_still_counts_as_installed() -> None:
    check_provider("cpu", ["CUDAExecutionProvider", "CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": "middle"}, r"sum.onnx: no input 'middle'; the graph has left, right"),
        ({"shape": (2, 4)}, r"input 'left' has shape \(2, 3\), the manifest says \(2, 4\)"),
        ({"shape": (2, 3, 1)}, r"input 'left' has shape \(2, 3\), the manifest says \(2, 3, 1\)"),
        ({"dtype": "uint8"}, r"input 'left' is tensor\(float\), the manifest says uint8"),
    ],
)
def test_an_input_that_is_not_as_announced_is_named(network: Path, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AvatarError, match=complaint):
        load_engine(network, [INPUTS[0].model_copy(update=change), INPUTS[1]], OUTPUT, "cpu", 1)


def test_an_output_that_is_not_as_announced_is_named(network: Path) -> None:
    with pytest.raises(AvatarError, match="output 'sum' has shape"):
        load_engine(network, INPUTS, OUTPUT.model_copy(update={"shape": (3, 3)}), "cpu", 1)


def test_an_input_that_the_manifest_forgot_is_named(network: Path) -> None:
    with pytest.raises(AvatarError, match="inputs that the manifest does not name: right"):
        load_engine(network, INPUTS[:1], OUTPUT, "cpu", 1)


def test_the_warm_up_finds_an_output_whose_open_axis_comes_out_wrong(tmp_path: Path) -> None:
    path = write_sum(tmp_path / "open.onnx", axis="free")
    with pytest.raises(AvatarError, match=r"output 'sum' came out as \(2, 3\), not \(2, 9\)"):
        load_engine(path, INPUTS, OUTPUT.model_copy(update={"shape": (2, 9)}), "cpu", 1)


def test_a_batch_axis_fixed_above_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AvatarError, match="export it with a dynamic batch axis"):
        load_engine(write_sum(tmp_path / "four.onnx", batch=4), INPUTS, OUTPUT, "cpu", 1)


def test_a_file_that_is_no_network_is_a_broken_avatar(tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"not a network")
    with pytest.raises(AvatarError, match=r"noise\.onnx: ONNX Runtime cannot load it"):
        load_engine(tmp_path / "noise.onnx", INPUTS, OUTPUT, "cpu", 1)


def test_a_network_whose_weights_lie_outside_its_package_is_a_broken_avatar(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "elsewhere.bin").write_bytes(np.ones(6, np.float32).tobytes())
    for location in ("../elsewhere.bin", str(tmp_path / "elsewhere.bin")):
        weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[2, 3])
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)
        tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2, 3]) for name in ("left", "sum")]
        node = helper.make_node("Add", ["left", "weights"], ["sum"])
        graph = helper.make_graph([node], "sum", tensors[:1], tensors[1:], [weights])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / "package" / "sum.onnx"
        path.write_bytes(model.SerializeToString())
        with pytest.raises(AvatarError, match=r"ONNX Runtime cannot load it: .*[Ee]xternal data"):
            load_engine(path, INPUTS[:1], OUTPUT, "cpu", 1)

"""A network that runs: ONNX Runtime with the provider that was asked for, tensors as the manifest announces them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from common.avatars.manifest import Tensor
from common.errors import AvatarError, ProviderError

log = logging.getLogger(__name__)

Provider = Literal["cpu", "cuda"]
PROVIDERS: Final[Mapping[str, str]] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
REMEDIES: Final[Mapping[str, str]] = {
    "cpu": "install the package onnxruntime",
    "cuda": "install onnxruntime-gpu, an NVIDIA driver, and CUDA and cuDNN of the versions that it was built for "
    "(pip install 'onnxruntime-gpu[cuda,cudnn]'), or set the provider to 'cpu'",
}
LARGEST_BATCH: Final[Mapping[str, int]] = {"cpu": 1, "cuda": 32}
"""Items in one call. On a CPU a batch outgrows the caches and gains nothing (the demo's painter: 7.5 ms a frame alone,
10.0 in a batch of 32), and on several threads ONNX Runtime sums some convolutions in another order in a batch: one at a
time, the bits of a frame cannot depend on its neighbours. On a GPU the limit bounds the memory."""
ERRORS_ONLY: Final = 3
"""ONNX Runtime's log severity; its warnings are about its own optimisations."""


class Engine(Protocol):
    """A loaded network, which takes up to `batch` items in one call."""

    @property
    def batch(self) -> int: ...

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Its one output for a batch; the batch axis comes first in every tensor."""


@dataclass(frozen=True, slots=True)
class OnnxEngine:
    """A session of ONNX Runtime; may be called from one thread at a time."""

    session: Any
    inputs: tuple[Tensor, ...]
    output: Tensor
    batch: int

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Run one batch."""
        typed = {tensor.name: feeds[tensor.name].astype(tensor.dtype, copy=False) for tensor in self.inputs}
        (result,) = self.session.run([self.output.name], typed)
        return np.asarray(result)


def load_engine(path: Path, inputs: Sequence[Tensor], output: Tensor, provider: Provider, threads: int) -> OnnxEngine:
    """Load a network, check it against the manifest, and run it once.

    Parameters
    ----------
    inputs, output : as the manifest announces them; the graph may have further outputs but no further inputs.
    provider : what must run it; never replaced.
    threads : within one operator.

    Raises
    ------
    ProviderError
        The provider is not installed, or refused to start.
    AvatarError
        The file is no network, or a tensor of it is not as announced.
    """
    session = _open(path, provider, threads)
    fixed = _check(session, path.name, inputs, output)
    engine = OnnxEngine(session, tuple(inputs), output, fixed or LARGEST_BATCH[provider])
    _warm_up(engine, path.name)
    log.info("%s runs on %s with %d threads", path.name, session.get_providers()[0], threads)
    return engine


def _open(path: Path, provider: Provider, threads: int) -> Any:
    check_provider(provider, ort.get_available_providers())
    ort.set_default_logger_severity(ERRORS_ONLY)
    if provider == "cuda":
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Workers share their cores: threads that wait by spinning take them from the others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Batches vary in size: cuDNN's exhaustive search would stop the stream at every size that is new.
    chosen = {"cuda": [(PROVIDERS["cuda"], {"cudnn_conv_algo_search": "HEURISTIC"})], "cpu": [PROVIDERS["cpu"]]}
    try:
        session = ort.InferenceSession(str(path), options, providers=chosen[provider])
    except Exception as error:  # ONNX Runtime raises classes of its own, without a common root
        raise AvatarError(f"{path.name}: ONNX Runtime cannot load it: {error}") from error
    check_provider(provider, session.get_providers()[:1])
    return session


def check_provider(provider: Provider, present: Sequence[str]) -> None:
    """Refuse to go on with anything but the provider that was asked for.

    Raises
    ------
    ProviderError
        It is not among those `present`; says what to install.
    """
    if PROVIDERS[provider] not in present:
        raise ProviderError(
            f"provider '{provider}' was asked for, ONNX Runtime has {', '.join(present)}: {REMEDIES[provider]}",
            field="provider",
        )


def _check(session: Any, file: str, inputs: Sequence[Tensor], output: Tensor) -> int | None:
    """The batch size that the graph is fixed to, or None; AvatarError where it differs from the manifest."""
    batches = {_check_tensor(file, "input", tensor, session.get_inputs()) for tensor in inputs}
    batches.add(_check_tensor(file, "output", output, session.get_outputs()))
    if extra := {found.name for found in session.get_inputs()} - {tensor.name for tensor in inputs}:
        raise AvatarError(f"{file}: the graph has inputs that the manifest does not name: {', '.join(sorted(extra))}")
    fixed = batches - {None}
    if fixed - {1}:
        raise AvatarError(f"{file}: the batch axis is fixed to {fixed}; export it with a dynamic batch axis")
    return 1 if fixed else None


def _check_tensor(file: str, role: str, tensor: Tensor, found: Sequence[Any]) -> int | None:
    """The fixed batch size of a tensor of the graph, or None."""
    by_name = {candidate.name: candidate for candidate in found}
    if tensor.name not in by_name:
        raise AvatarError(f"{file}: no {role} '{tensor.name}'; the graph has {', '.join(by_name)}")
    shape, dtype = by_name[tensor.name].shape, by_name[tensor.name].type
    if dtype != _ONNX_TYPES[tensor.dtype]:
        raise AvatarError(f"{file}: {role} '{tensor.name}' is {dtype}, the manifest says {tensor.dtype}")
    inner = tuple(shape[1:])
    same = all(not isinstance(axis, int) or axis == wanted for axis, wanted in zip(inner, tensor.shape, strict=False))
    if len(inner) != len(tensor.shape) or not same:
        raise AvatarError(f"{file}: {role} '{tensor.name}' has shape {inner}, the manifest says {tensor.shape}")
    return shape[0] if isinstance(shape[0], int) else None


def _warm_up(engine: OnnxEngine, file: str) -> None:
    """The first runs allocate and tune: one of the largest batch, so that memory does not grow when it first comes.

    The result must have the announced shape, dynamic axes included.
    """
    for batch in sorted({1, engine.batch}):
        feeds = {tensor.name: np.zeros((batch, *tensor.shape), tensor.dtype) for tensor in engine.inputs}
        try:
            shape = engine.run(feeds).shape
        except Exception as error:  # as in _open
            raise AvatarError(f"{file}: does not run: {error}") from error
        if shape != (batch, *engine.output.shape):
            wrong = f"output '{engine.output.name}' came out as {shape[1:]}, not {engine.output.shape}"
            raise AvatarError(f"{file}: {wrong}")


_ONNX_TYPES: Final[Mapping[str, str]] = {
    "float32": "tensor(float)",
    "float16": "tensor(float16)",
    "uint8": "tensor(uint8)",
    "int64": "tensor(int64)",
}

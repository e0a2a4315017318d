"""An avatar with one of its networks replaced."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime as ort

from common.avatars.manifest import Manifest
from common.avatars.package import Avatar, load
from common.avatars.timeline import encoder_of
from common.errors import InputError


@contextmanager
def with_model(avatar: Avatar, model: Path) -> Iterator[Avatar]:
    """The avatar with `model` in the place of that of its networks which has the same inputs.

    Raises
    ------
    InputError
        The file is no ONNX graph, or none of the avatar's networks has its inputs.
    """
    replaced = _replaced(avatar.manifest, model)
    with TemporaryDirectory() as folder:
        package = Path(folder) / avatar.name
        package.mkdir()
        # Copies: a package holds no links to elsewhere.
        for file in filter(Path.is_file, avatar.folder.iterdir()):
            shutil.copyfile(model if file.name == replaced else file, package / file.name)
        yield load(Path(folder), avatar.name)


def _replaced(manifest: Manifest, model: Path) -> str:
    try:
        session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no error type of its own that it promises
        raise InputError(f"cannot load {model}: {error}", field="model") from error
    inputs = {tensor.name for tensor in session.get_inputs()}
    encoder = encoder_of(manifest)
    known = {
        frozenset([encoder.input.name]): encoder.model,
        frozenset([manifest.image.tensor.name, manifest.audio.tensor.name]): manifest.models[0],
    }
    if (name := known.get(frozenset(inputs))) is None:
        wanted = " or ".join(", ".join(sorted(names)) for names in known)
        raise InputError(f"{model} has the inputs {', '.join(sorted(inputs))}; wanted: {wanted}", field="model")
    return name

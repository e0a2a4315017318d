"""A private authority and what it has signed, made with the openssl command."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests.missing import missing


class Certificate(NamedTuple):
    """PEM files."""

    file: Path
    key: Path


class Authority(NamedTuple):
    """Who signs; `file` is what others trust."""

    file: Path
    key: Path

    def sign(self, name: str) -> Certificate:
        """A certificate for this machine."""
        made = Certificate(self.file.with_name(f"{name}.pem"), self.key.with_name(f"{name}.key"))
        _openssl(
            made, name, "-CA", self.file, "-CAkey", self.key,
            "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
        return made


def authority(folder: Path, name: str) -> Authority:
    """One that nobody knows but who is told of it; without openssl, tests are skipped here and fail in CI."""
    if shutil.which("openssl") is None:
        missing("no openssl on this machine: install Debian's package openssl")
    made = Authority(folder / f"{name}.pem", folder / f"{name}.key")
    _openssl(made, name, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return made


def _openssl(made: Any, name: str, *options: str | Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(made.file)]
    subprocess.run([*command, *map(str, options)], check=True, capture_output=True)

"""What a test needs and this machine lacks."""

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the test here, fail it in CI: there nothing may go unchecked."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)

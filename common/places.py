"""Where files are kept: a folder, or a store that fsspec speaks to; and what it means when that fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

from common.errors import LipstreamError, SettingsError


class StoreError(LipstreamError):
    """The place of the jobs' files, or that of the recordings, does not answer, or takes nothing."""

    code = "store_unavailable"
    retryable = True


def place_at(url: str, setting: str) -> tuple[Any, str]:
    """The file system of a folder or URL, and the path in it without a slash at its end.

    Raises
    ------
    SettingsError
        Nothing here can speak to such a store; names the setting that the URL is of.
    """
    try:
        fs, root = fsspec.url_to_fs(url)
    except (ImportError, ValueError) as error:
        hint = "; pip install 'lipstream[s3]'" if url.startswith("s3") else ""
        raise SettingsError(f"{setting} {url}: {error}{hint}", field=setting) from error
    return fs, root.rstrip("/")


@contextmanager
def told(what: str = "the files of jobs", setting: str = "jobs_url") -> Iterator[None]:
    """Turn the errors of a store, at the place that a setting names, into ours; a missing file is none of them."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _faults() as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"{what} ({setting}): {reason}", field=setting) from error


def _faults() -> tuple[type[Exception], ...]:
    """What stores raise; S3's client has errors of its own: it reaches nothing, has no credentials, is cut off."""
    try:
        from aiohttp import ClientError
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return (OSError,)
    return (OSError, BotoCoreError, ClientError)

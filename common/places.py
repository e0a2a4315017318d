"""Where files are kept: a folder, or a store that fsspec speaks to."""

from typing import Any

import fsspec

from common.errors import SettingsError


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

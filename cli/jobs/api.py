"""A gateway's endpoints of background jobs, as this command asks them."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from common.errors import InputError, LipstreamError

TIMEOUT_S: Final = 30.0
_BLOCK_BYTES: Final = 2**18


@contextmanager
def gateway(url: str, token: str | None, ca: Path | None = None) -> Iterator[httpx.Client]:
    """A client of the gateway at `url`; `ca` is the PEM of who signed its certificate, None: one of the system's.

    Raises
    ------
    InputError
        `ca` cannot be read, or holds no authority.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        trusted = ssl.create_default_context(cafile=ca)
    except OSError as error:  # that of TLS is one too
        raise InputError(f"{ca} is no PEM of an authority: {error}", field="ca") from error
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, verify=trusted) as http:
        yield http


def ask(http: httpx.Client, method: str, path: str, **options: Any) -> Any:
    """The JSON that the gateway answers; options are those of httpx.

    Raises
    ------
    InputError
        The gateway does not take what was asked for.
    LipstreamError
        It cannot be reached, or fails.
    """
    with _told(http):
        answer = http.request(method, path, **options)
    _check(answer)
    return answer.json()


def upload(http: httpx.Client, path: str, file: Path, **options: Any) -> Any:
    """As `ask`, with a file as the body of a POST."""
    try:
        with file.open("rb") as content:
            return ask(http, "POST", path, content=content, **options)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}", field="audio") from error


def download(http: httpx.Client, path: str, file: Path) -> None:
    """As `ask`, with the answer in a file that is there only when it is whole."""
    part = file.with_name(f".{file.name}.part")
    try:
        with _told(http), http.stream("GET", path) as answer:
            if answer.is_error:
                answer.read()
            _check(answer)
            with part.open("wb") as target:
                for block in answer.iter_bytes(_BLOCK_BYTES):
                    target.write(block)
        part.replace(file)
    except OSError as error:
        raise InputError(f"cannot write {file}: {error.strerror}", field="output") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _told(http: httpx.Client) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LipstreamError(f"cannot reach the gateway at {http.base_url}: {error or type(error).__name__}") from error


def _check(answer: httpx.Response) -> None:
    """Raise the error that an answer tells of."""
    if not answer.is_error:
        return
    try:
        error = answer.json()["error"]
        message, field = str(error["message"]), error.get("field")
    except (ValueError, KeyError, TypeError):
        message, field = f"the gateway answered {answer.status_code}", None
    kind = InputError if answer.is_client_error else LipstreamError
    raise kind(message, field=field)

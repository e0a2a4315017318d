"""An object store of a test's own, by moto: it answers as S3 does, and keeps everything in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.missing import missing

BUCKET = "s3://lipstream"


@contextmanager
def object_store() -> Iterator[None]:
    """What speaks S3 finds it, by the variables that every client of S3 knows; buckets come with their first file."""
    try:
        from moto.server import ThreadedMotoServer
        from s3fs import S3FileSystem
    except ImportError as error:
        missing(f"{error}: pip install '.[dev]'")
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            environment.setenv("AWS_ACCESS_KEY_ID", "somebody")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            yield
    finally:
        # Connections of an earlier server must not be taken for this one's.
        S3FileSystem.clear_instance_cache()
        server.stop()

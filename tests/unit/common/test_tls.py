"""The certificate that a gateway and a worker's metrics show."""

import ssl
from pathlib import Path

import httpx
import pytest

from common.errors import SettingsError
from common.settings import Settings
from common.telemetry import State, WorkerMetrics, served
from common.tls import server_context
from tests.authority import authority
from tests.pipeline import free_port


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_context(Settings()) is None


def test_what_is_no_certificate_or_not_of_that_key_is_named(tmp_path: Path) -> None:
    root = authority(tmp_path, "root")
    one, other = root.sign("one"), root.sign("other")
    server_context(Settings(tls_cert_file=one.file, tls_key_file=one.key))
    for cert, key in ((tmp_path / "absent.pem", one.key), (one.key, one.key), (one.file, other.key)):
        with pytest.raises(SettingsError, match=f"tls_cert_file, tls_key_file: {cert} and {key}"):
            server_context(Settings(tls_cert_file=cert, tls_key_file=key))


def test_a_workers_metrics_are_told_over_tls_to_who_trusts_its_authority(tmp_path: Path) -> None:
    root, stranger = authority(tmp_path, "root"), authority(tmp_path, "stranger")
    own, port = root.sign("worker"), free_port()
    metrics = WorkerMetrics("audio", dict)
    context = server_context(Settings(tls_cert_file=own.file, tls_key_file=own.key))
    with served(port, "127.0.0.1", metrics, lambda: State(lives=True, is_ready=True), context):
        address = f"https://127.0.0.1:{port}/readyz"
        trusting = ssl.create_default_context(cafile=root.file)
        assert httpx.get(address, verify=trusting).text == "ok\n"
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(address, verify=ssl.create_default_context(cafile=stranger.file))
        with pytest.raises(httpx.TransportError):
            httpx.get(address.replace("https", "http"))
        assert httpx.get(address, verify=trusting).status_code == 200

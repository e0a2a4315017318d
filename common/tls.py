"""The certificate that a process of ours shows to those who connect to it."""

import ssl

from common.errors import SettingsError
from common.settings import Settings


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """What a server speaks TLS with; None where the settings name no certificate.

    Raises
    ------
    SettingsError
        The files cannot be read, hold something else, or do not belong together.
    """
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    except OSError as error:  # that of TLS is one too
        files = f"{settings.tls_cert_file} and {settings.tls_key_file}"
        message = f"tls_cert_file, tls_key_file: {files} are no certificate and its key in PEM: {error}"
        raise SettingsError(message, field="tls_cert_file") from error
    return context

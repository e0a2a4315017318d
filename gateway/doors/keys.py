"""API keys: which name a secret belongs to."""

import hmac
from collections.abc import Mapping

from pydantic import SecretStr


def name_of(secret: str, keys: Mapping[str, SecretStr]) -> str | None:
    """The name of the key; None when it is nobody's. Takes the same time whichever it is, or none."""
    given, found = secret.encode(), None
    for name, key in keys.items():
        if hmac.compare_digest(given, key.get_secret_value().encode()):
            found = name
    return found

"""API keys."""

from unittest.mock import patch

from pydantic import SecretStr

from gateway.doors import keys

KEYS = {"app": SecretStr("app-secret-app-secret"), "ops": SecretStr("ops-secret-öps-secret")}


def test_a_secret_tells_whose_it_is() -> None:
    assert keys.name_of("app-secret-app-secret", KEYS) == "app"
    assert keys.name_of("ops-secret-öps-secret", KEYS) == "ops"
    assert keys.name_of("app", KEYS) is None
    assert keys.name_of("", KEYS) is None


def test_every_key_is_compared_in_constant_time_whichever_fits() -> None:
    with patch.object(keys.hmac, "compare_digest", wraps=keys.hmac.compare_digest) as compare:
        keys.name_of("app-secret-app-secret", KEYS)
    assert compare.call_count == len(KEYS)

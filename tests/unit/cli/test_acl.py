"""What `lipstream acl` prints, and where the passwords come from."""

from hashlib import sha256

import pytest

from cli.acl import commands, file, users
from common.acl import ROLES
from common.errors import InputError


def test_a_command_for_a_running_server_makes_each_user_anew() -> None:
    made = users(["audio"], {"REDIS_PASSWORD_AUDIO": "the-password"})
    (line,) = commands(made)
    assert line.startswith("ACL SETUSER lipstream-audio reset on >the-password +ping ")
    assert "(%R~session:{*}:audio +xrange)" in line


def test_every_role_has_a_user_with_a_password_of_its_own() -> None:
    made, again = users(None, {}), users(None, {})
    assert [user.role for user in made] == list(ROLES)
    assert len({user.password for user in [*made, *again]}) == 2 * len(ROLES)
    assert min(len(user.password) for user in made) >= 43


PASSWORDS = {f"REDIS_PASSWORD_{role.upper()}": f"of-the-{role}" for role in (*ROLES, "admin")}


def test_a_file_leaves_nobody_the_rights_that_redis_gives_by_default() -> None:
    default, admin, *others = file(users(None, PASSWORDS), PASSWORDS)
    assert default == "user default reset on nopass +ping"
    assert admin == f"user admin reset on #{sha256(b'of-the-admin').hexdigest()} ~* &* +@all"
    assert [line.split()[1] for line in others] == [f"lipstream-{role}" for role in ROLES]


def test_a_file_holds_no_password() -> None:
    text = "\n".join(file(users(None, PASSWORDS), PASSWORDS))
    assert not [password for password in PASSWORDS.values() if password in text]
    for lacking in PASSWORDS:
        known = {name: password for name, password in PASSWORDS.items() if name != lacking}
        with pytest.raises(InputError, match=f"{lacking}: set it in the environment or in .env"):
            file(users(None, known), known)


def test_an_address_has_the_user_in_the_place_of_any_other() -> None:
    (user,) = users(["audio"], {"REDIS_PASSWORD_AUDIO": "p@ss/word"})
    for url in ("rediss://redis.example.com:6380/0", "rediss://me:old@redis.example.com:6380/0"):
        expected = "rediss://lipstream-audio:p%40ss%2Fword@redis.example.com:6380/0"
        assert user.as_dict(url)["redis_url"] == expected


def test_what_redis_would_misread_is_refused() -> None:
    with pytest.raises(InputError, match="REDIS_PASSWORD_AUDIO: a password of Redis holds no white space"):
        users(["audio"], {"REDIS_PASSWORD_AUDIO": "two words"})
    with pytest.raises(InputError, match="no role 'inference-gpu'; known: gateway, audio"):
        users(["inference-gpu"], {})

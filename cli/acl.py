"""`lipstream acl`: the users of all roles, as Redis takes them."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from common.acl import ROLES, rules_of, user_of
from common.errors import InputError
from common.redis_address import with_user

VARIABLE: Final = "REDIS_PASSWORD_"
"""`REDIS_PASSWORD_AUDIO` holds the password of the role `audio`."""
_ENTROPY_BYTES: Final = 32
_ADMIN: Final = "admin"
_EVERYTHING: Final = ("~*", "&*", "+@all")


class User(NamedTuple):
    """A user of Redis, ready to be made."""

    role: str
    name: str
    password: str
    rules: tuple[str, ...]

    @property
    def command(self) -> str:
        """Makes the user on a server that runs."""
        return f"ACL SETUSER {self.name} reset on >{self.password} {' '.join(self.rules)}"

    @property
    def entry(self) -> str:
        """Its line in an aclfile, which holds the password's hash alone."""
        digest = hashlib.sha256(self.password.encode()).hexdigest()
        return f"user {self.name} reset on #{digest} {' '.join(self.rules)}"

    def as_dict(self, redis_url: str) -> dict[str, Any]:
        """All there is to know, with the address that a process of the role gets."""
        address = with_user(redis_url, self.name, self.password)
        return self._asdict() | {"rules": list(self.rules), "command": self.command, "redis_url": address}


def users(roles: Sequence[str] | None, environment: Mapping[str, str]) -> list[User]:
    """A user for each role, of all when None are named; passwords that the environment does not hold are made.

    Raises
    ------
    InputError
        There is no such role; a password holds white space, which Redis would take for its end.
    """
    roles = roles or list(ROLES)
    if unknown := [role for role in roles if role not in ROLES]:
        raise InputError(f"no role '{unknown[0][:64]}'; known: {', '.join(ROLES)}", field="role")
    return [User(role, user_of(role), _password(role, environment), rules_of(role)) for role in roles]


def commands(made: Sequence[User]) -> list[str]:
    """Commands for a server that runs; other users of it stay as they are."""
    return [user.command for user in made]


def file(made: Sequence[User], environment: Mapping[str, str]) -> list[str]:
    """Lines for the `aclfile` of a server of our own, which knows nobody else.

    Who shows no password may ask whether the server lives; `admin` may do everything.

    Raises
    ------
    InputError
        The environment lacks a password: nobody could tell from the file what it is.
    """
    for role in (_ADMIN, *(user.role for user in made)):
        if not environment.get(_variable(role)):
            message = f"{_variable(role)}: set it in the environment or in .env; a file holds only its hash"
            raise InputError(message, field=_variable(role))
    admin = User(_ADMIN, _ADMIN, _password(_ADMIN, environment), _EVERYTHING)
    return ["user default reset on nopass +ping", *(user.entry for user in (admin, *made))]


def _variable(role: str) -> str:
    return f"{VARIABLE}{role.upper()}"


def _password(role: str, environment: Mapping[str, str]) -> str:
    password = environment.get(_variable(role)) or secrets.token_urlsafe(_ENTROPY_BYTES)
    if password.split() != [password]:
        raise InputError(f"{_variable(role)}: a password of Redis holds no white space", field=_variable(role))
    return password

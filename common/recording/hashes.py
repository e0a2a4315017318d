"""The hash by which a picture is known again; pure."""

import hashlib
from collections.abc import Iterable
from typing import Final

HASH_BYTES: Final = 8


def hash_of(picture: bytes) -> bytes:
    """BLAKE2b of the encoded picture, 64 bits: enough to tell pictures apart, not to stop a forger."""
    return hashlib.blake2b(picture, digest_size=HASH_BYTES).digest()


def hash_over(hashes: Iterable[bytes]) -> bytes:
    """Of all pictures of a session, in the order in which they were sent."""
    whole = hashlib.blake2b(digest_size=HASH_BYTES)
    for each in hashes:
        whole.update(each)
    return whole.digest()

"""The protocols of the servers that Lipstream replaces; `docs/earlier-protocols.md` describes them for people."""

from gateway.earlier.conversation import serve
from gateway.earlier.messages import is_earlier

__all__ = ["is_earlier", "serve"]

"""The messages of `lipstream.v1` as JSON Schema; `python -m gateway.schema` writes `docs/protocol.schema.json`."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from gateway.messages import ADAPTER, SUBPROTOCOL
from gateway.replies import Reply

PAGE: Final = Path(__file__).parents[1] / "docs" / "protocol.schema.json"
_DEFINITIONS: Final = "#/$defs/{model}"


def schema() -> dict[str, Any]:
    """One definition a message; `$defs/client` is any that a client may send, `$defs/server` any that it may get."""
    client = ADAPTER.json_schema(ref_template=_DEFINITIONS)
    server = TypeAdapter(Reply).json_schema(ref_template=_DEFINITIONS)
    replies = server.pop("$defs")
    for reply in replies.values():
        # Later servers may say more, and clients shall not mind.
        del reply["additionalProperties"]
    definitions = client.pop("$defs") | replies | {"client": client, "server": server}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{SUBPROTOCOL}: the JSON messages of both sides",
        "anyOf": [{"$ref": "#/$defs/client"}, {"$ref": "#/$defs/server"}],
        "$defs": definitions,
    }


def text() -> str:
    """The page as it stands in the repository."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")

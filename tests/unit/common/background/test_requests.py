"""What may be asked of the jobs workers."""

from typing import Any

import pytest

from common.background.requests import Export, Frames, Prune, Render, Request, parse
from common.errors import InputError

REQUESTS = (
    Render(avatar="demo", quality=80),
    Export(session="6f0d1c2b3a495867"),
    Frames(avatar="demo"),
    Prune(days=2.5),
    Prune(),
)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each.kind)
def test_a_request_comes_back_from_its_json(request_: Request) -> None:
    assert parse(request_.model_dump(mode="json")) == request_


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (None, "kind"),
        ([], "kind"),
        ({}, "kind"),
        ({"kind": "dance"}, "kind"),
        ({"kind": "render"}, "avatar"),
        ({"kind": "render", "avatar": "../demo"}, "avatar"),
        ({"kind": "frames", "avatar": "demo", "quality": 101}, "quality"),
        ({"kind": "export", "session": "a/b"}, "session"),
        ({"kind": "prune", "days": -1}, "days"),
        ({"kind": "prune", "path": "/"}, "path"),
    ],
)
def test_anything_else_is_refused_with_its_field(content: Any, field: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(content)
    assert caught.value.field == field

"""Links of the pages lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT, anchors

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s#]*)(#[^)\s]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), f"{target} of {page.name} is not there"
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), f"{linked.name} has no heading {anchor}"

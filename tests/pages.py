"""The pages of the project, for tests of what they say."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("avatars/**/*.md"), *ROOT.glob("client/**/*.md")]
)


def anchors(page: Path, level: str = "#+") -> set[str]:
    """Of a page's headings, as code hosts make them: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(rf"^{level}\s+(.*)$", page.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

"""What the documents say of the doors and of HTTP is so."""

import re
from pathlib import Path

from gateway.http.errors import STATUS
from gateway.http.table import ENDPOINTS

ROOT = Path(__file__).parents[4]
WHO = {"public": "open", "session": "session", "admin": "admin"}


def test_the_table_of_http_is_the_table_that_is_served() -> None:
    text = (ROOT / "docs" / "http.md").read_text()
    rows = set(re.findall(r"^\| ([A-Z, ]+) \| `([^`]+)` \| (\w+) \|", text, re.MULTILINE))
    served = {(", ".join(e.methods), re.sub(r":\w+}", "}", e.path), WHO[e.access.value]) for e in ENDPOINTS}
    assert rows == served


def test_every_status_of_an_error_is_documented() -> None:
    text = (ROOT / "docs" / "http.md").read_text()
    for status in set(STATUS.values()):
        assert re.search(rf"^\| [\d, ]*{status}", text, re.MULTILINE), status


def test_every_line_of_security_names_tests_that_there_are() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text()))
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in tests} == set()

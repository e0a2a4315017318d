"""The pages say by which test a promise is kept: it is there."""

import re
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT

FILE = re.compile(r"\btest_\w+\.py\b")
FUNCTION = re.compile(r"(?<![\w/.])test_\w+\b(?!\.py|[\w/-])")
PLACE = re.compile(r"(?<![\w/.])tests/[\w./-]*\w")
NO_TESTS = {"test_binary"}
"""A message of an earlier protocol."""


def files() -> set[str]:
    return {path.name for path in (ROOT / "tests").rglob("test_*.py")}


def functions() -> set[str]:
    sources = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for source in sources for name in re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE)}


@pytest.fixture(scope="module")
def there() -> set[str]:
    found = files() | functions()
    assert len(found) > 500
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_the_pages_name_exists(page: Path, there: set[str]) -> None:
    text = page.read_text()
    assert {*FILE.findall(text), *FUNCTION.findall(text)} - there - NO_TESTS == set()
    assert [place for place in PLACE.findall(text) if not (ROOT / place).exists()] == []


def test_what_a_page_names_is_found_in_it() -> None:
    text = "`test_a.py`, `make test`, tests/unit/test_b.py, `test_a_thing_happens`; see tests/chaos. test_c.py::test_d"
    assert set(FILE.findall(text)) == {"test_a.py", "test_b.py", "test_c.py"}
    assert FUNCTION.findall(text) == ["test_a_thing_happens", "test_d"]
    assert PLACE.findall(text) == ["tests/unit/test_b.py", "tests/chaos"]

"""The table of what breaks first: arithmetic on measured costs, and the page shows what it gives."""

from pathlib import Path

from bench import sizes
from cli.plan.coefficients import default_file, load
from tests.measured import measured

PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"


def test_ten_times_the_sessions_need_about_ten_times_the_shards() -> None:
    rows = [line.split("|") for line in sizes.table(measured()).splitlines()[2:]]
    shards = {int(row[1].replace(",", "")): int(row[2].replace(",", "")) for row in rows}
    assert list(shards) == list(sizes.TOLD)
    assert 8 < shards[4_000] / shards[400] <= 10
    assert 9.5 < shards[40_000] / shards[4_000] <= 10


def test_the_page_shows_the_table_of_the_shipped_costs() -> None:
    assert sizes.table(load(default_file()).find("demo", "frame")) in PAGE.read_text()

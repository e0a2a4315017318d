"""A frame's way as it is drawn."""

from cli.inspect.facts import Step
from cli.inspect.trace_view import BAR_COLUMNS, bar, ways_table
from tests.inspection import way

STEPS = Step("audio", 10, 10), Step("inference", 20, 40), Step("compositor", 5, 5)


def test_a_bar_is_to_scale() -> None:
    drawn = bar(way(steps=STEPS, other_ms=10.0, total_ms=100.0), 100.0).plain
    assert drawn == "··aaa·····iiiiiiiii·cc--"
    assert len(drawn) == BAR_COLUMNS
    assert len(bar(way(steps=STEPS, other_ms=10.0, total_ms=100.0), 200.0).plain) == BAR_COLUMNS // 2


def test_no_way_is_a_sentence_not_an_empty_table() -> None:
    assert ways_table([]) == "no frame of this session has been finished lately"

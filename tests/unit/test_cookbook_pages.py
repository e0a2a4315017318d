"""The reader of pages with commands: were it too lenient, the pages could say anything."""

import pytest

from tests.cookbook import Shown, commands, matches

PAGE = """
```console
$ redis-cli XLEN 'a b'
(integer) 1
$ redis-cli EVAL "one
    two" 0
```
text
```console
$ lipstream top
```
"""


def test_commands_are_split_as_a_shell_does_and_keep_their_output() -> None:
    assert list(commands(PAGE)) == [
        Shown(["redis-cli", "XLEN", "a b"], ["(integer) 1"]),
        Shown(["redis-cli", "EVAL", "one\n    two", "0"], []),
        Shown(["lipstream", "top"], []),
    ]


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        (["(integer) 1"], ["(integer) 4711"]),
        (['1) "1.5"'], ['1) "42"']),
        (["worker:audio:studio-4711-9f3a1c"], ["worker:audio:my-host-1-abcdef"]),
        (["a  b"], ["a      b   "]),
        (["first", "...", "last"], ["first", "x", "y", "last"]),
        ([], []),
    ],
)
def test_numbers_workers_and_widths_may_differ(said: list[str], printed: list[str]) -> None:
    assert matches(said, printed)


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        (["(integer) 1"], ["(nil)"]),
        (["(integer) 1"], []),
        ([], ["(integer) 1"]),
        (['1) "name"'], ['1) "pending"']),
        (["(integer) 1"], ["(integer) 1", "(integer) 2"]),
        (["waits on stage:audio"], ["waits on stage:audio; no worker"]),
        (["first", "...", "last"], ["first", "x"]),
    ],
)
def test_words_and_lines_may_not(said: list[str], printed: list[str]) -> None:
    assert not matches(said, printed)

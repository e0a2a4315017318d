"""Every `lipstream` command that a page shows is one that the program takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from cli.main import Options, app

Command = TyperCommand | TyperGroup

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"(?:^|[ (])lipstream (.*)$")
_INLINE = re.compile(r"`lipstream ([^`]+)`")


def lines_of(page: str) -> Iterator[list[str]]:
    """The arguments of each command line of a page's blocks: up to a comment, a pipe or a redirection."""
    for block in _FENCED.findall(page):
        for shown in block.splitlines():
            if re.match(r"(\$ )?(\(?\w[\w ]*; |\w+=\S* )*lipstream [a-z]", shown) and (found := _LINE.search(shown)):
                words = shlex.shlex(found[1], posix=True, punctuation_chars="|&;()<>")
                words.whitespace_split = True
                yield _until_punctuation(list(words))


def mentions_of(page: str) -> Iterator[list[str]]:
    """The words of each `lipstream …` within a page's text; brackets around what may be left out are taken off."""
    for mention in _INLINE.findall(_FENCED.sub("", page)):
        yield re.sub(r"[\[\]]", "", mention).split()


def _until_punctuation(words: list[str]) -> list[str]:
    ends = [index for index, word in enumerate(words) if set(word) <= set("|&;()<>")]
    return words[: ends[0]] if ends else words


def resolve(words: list[str]) -> Iterator[tuple[Command, list[str]]]:
    """The commands that words name, `a|b` being two, each with the words that are left for it.

    Raises
    ------
    LookupError
        There is no such command.
    """
    return _within(typer.main.get_group(app), words)


def _within(command: Command, words: list[str]) -> Iterator[tuple[Command, list[str]]]:
    if not isinstance(command, TyperGroup) or not words:
        yield command, words
        return
    for name in words[0].split("|"):
        if name not in command.commands:
            raise LookupError(f"no command {name!r}")
        found = command.commands[name]
        assert isinstance(found, Command)
        yield from _within(found, words[1:])


def options_of(command: Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_command_lines_of_a_page_are_taken(page: Path) -> None:
    for words in lines_of(page.read_text(encoding="utf-8")):
        [(command, arguments)] = resolve(words)
        # Raises when an option is unknown, lacks its value, or has one out of bounds; runs nothing.
        command.make_context(" ".join(["lipstream", *words]), list(arguments), obj=Options())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_and_options_that_a_page_mentions_exist(page: Path) -> None:
    for words in mentions_of(page.read_text(encoding="utf-8")):
        for command, left in resolve(words):
            given = {word.partition("=")[0] for word in left if word.startswith("-")}
            assert given <= options_of(command), f"lipstream {' '.join(words)}"


def test_the_reader_of_pages_finds_what_is_wrong() -> None:
    page = "```\n$ lipstream rendre a.wav\nlipstream top --ones | cat  # x\n```\n`lipstream dead list|burn`"
    assert list(lines_of(page)) == [["rendre", "a.wav"], ["top", "--ones"]]
    with pytest.raises(LookupError, match="rendre"):
        list(resolve(["rendre", "a.wav"]))
    with pytest.raises(LookupError, match="burn"):
        [list(resolve(words)) for words in mentions_of(page)]
    [(command, arguments)] = resolve(["top", "--ones"])
    with pytest.raises(Exception, match="--ones"):
        command.make_context(command.name, arguments)


def test_the_pages_are_full_of_commands() -> None:
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    assert len([words for page in pages for words in lines_of(page)]) > 25
    assert len([words for page in pages for words in mentions_of(page)]) > 40

"""Pages that show commands with their output: reading them, and comparing what a command really prints."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_WILD = re.compile(r"(?P<worker>[\w.]+-\d+-[0-9a-f]{6}\b)|(?P<number>\d+(?:\.\d+)?)|(?P<space> +)")
_ANY = {"worker": r"[\w.-]+", "number": r"\d+(?:\.\d+)?", "space": " +"}
ELISION = "..."
"""A line that stands for any number of lines."""


class Shown(NamedTuple):
    """A command of a page, as the shell would split it, and the lines that it is said to print."""

    argv: list[str]
    lines: list[str]

    def named(self, names: Mapping[str, str]) -> "Shown":
        """The same with the page's names replaced by those of a live installation."""
        return Shown([_replace(word, names) for word in self.argv], [_replace(line, names) for line in self.lines])


def commands(page: str) -> Iterator[Shown]:
    """Every command of a page's ```console blocks; one whose quotes are open goes on in the next line."""
    for block in _BLOCK.findall(page):
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = shown.rstrip().split("\n")
            for length in range(1, len(lines) + 1):
                try:
                    argv = shlex.split("\n".join(lines[:length]))
                except ValueError:  # no closing quotation
                    continue
                yield Shown(argv, lines[length:])
                break
            else:
                raise ValueError(f"a quote is never closed: {lines[0]}")


def matches(said: list[str], printed: list[str]) -> bool:
    """Whether a command printed what the page says: numbers may differ, so may workers' names and column widths."""
    pattern = "".join(r"(?:.*\n)*" if line.strip() == ELISION else f"{_pattern(line)}\n" for line in said)
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed)) is not None


def _pattern(line: str) -> str:
    found, end = "", 0
    for wild in _WILD.finditer(line.rstrip()):
        found += re.escape(line[end : wild.start()]) + _ANY[wild.lastgroup or ""]
        end = wild.end()
    return found + re.escape(line.rstrip()[end:])


def _replace(text: str, names: Mapping[str, str]) -> str:
    for name, real in names.items():
        text = text.replace(name, real)
    return text

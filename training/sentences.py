"""What the synthetic voices say: sentences of `training/texts`, rows of their words, and words that nobody has heard.

Invented words follow the spelling of the language by pairs of letters, so that the few sentences of a language
do not fix which sounds may meet.
"""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

TEXTS: Final = Path(__file__).parent / "texts"
SENTENCE_SHARE: Final = 0.35
INVENTED_SHARE: Final = 0.3


@cache
def sentences(language: str) -> tuple[str, ...]:
    """Return the sentences of one text file."""
    return tuple((TEXTS / f"{language}.txt").read_text().split("\n")[:-1])


@cache
def words(language: str) -> tuple[str, ...]:
    """Return all words of one text file, punctuation included."""
    return tuple(" ".join(sentences(language)).split())


@cache
def followers(language: str) -> dict[str, str]:
    """Return the letters that follow each pair of letters; ``^`` begins a word, ``$`` ends it."""
    found: dict[str, str] = {}
    for word in words(language):
        letters = "^" + "".join(letter for letter in word.lower() if letter.isalpha()) + "$"
        for first, second, third in zip(letters, letters[1:], letters[2:], strict=False):
            found[first + second] = found.get(first + second, "") + third
    return found


def invented(language: str, random: np.random.Generator) -> str:
    """Return a word of the language's spelling, 3 to 11 letters."""
    follow, starts = followers(language), [pair for pair in followers(language) if pair[0] == "^"]
    while True:
        word = str(random.choice(starts))
        while word[-1] != "$" and len(word) < 12:
            word += str(random.choice(list(follow[word[-2:]])))
        letters = word.strip("^$")
        if len(letters) > 2:
            return letters


def some_text(language: str, random: np.random.Generator) -> str:
    """Return a sentence, or a row of words drawn from all of them, some of them invented."""
    if random.random() < SENTENCE_SHARE:
        return str(random.choice(sentences(language)))
    chosen = random.choice(words(language), int(random.integers(3, 11)))
    row = (invented(language, random) if random.random() < INVENTED_SHARE else str(word) for word in chosen)
    return " ".join(row)

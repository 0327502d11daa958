"""The marks of a question: ``->`` between events, ``;`` between things, ``(words:weight)``, ``-word``.

They are the same in every language and come off first; what is left are words. All of it is linear in the
length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from seektrack.errors import QueryError
from seektrack.query.cleaning import shown
from seektrack.query.language import languages
from seektrack.query.types import Term

MAX_WEIGHT = 5.0
_NUMBER = r"\d*\.?\d+"
_EMPHASIS = re.compile(rf"\(\s?(?P<words>[^():]+):\s?(?P<weight>{_NUMBER})\s?\)")
_EXCLUSION = re.compile(
    rf"(?:^|(?<=\s))-(?:\(\s?(?P<group>[^():]+)(?::\s?(?P<weight>{_NUMBER})\s?)?\)"
    r'|"(?P<quoted>[^"]+)"|(?P<word>[^\W_][^\s()":,;]*))(?=[\s,;]|$)'
)
_PHRASE = re.compile(r'\s[^()":,;]+?(?=\s-|\s?[(",;]|\s?$)')
_LEFT_OVER = re.compile(r"\([^()]*:")
_SPACED = re.compile(r" ([,.;!?])")
_BETWEEN = {"->": re.compile(r'"[^"]*"|(->)'), ";": re.compile(r'"[^"]*"|(;)')}


@dataclass(frozen=True)
class Marked:
    """Words without their marks.

    Attributes:
        text: The words.
        weights: Those that count more or less.
        without: What must not show.
    """

    text: str
    weights: tuple[Term, ...] = ()
    without: tuple[Term, ...] = ()


def split_at(text: str, mark: str) -> list[str]:
    """A text cut at ``->`` or ``;`` outside quotes, each piece without the quotes around it."""
    pieces, begin = [], 0
    for match in _BETWEEN[mark].finditer(text):
        if match[1]:
            pieces.append(text[begin : match.start()])
            begin = match.end()
    return [unquoted(piece) for piece in (*pieces, text[begin:])]


def unquoted(text: str) -> str:
    """A text without spaces around it, and without the quotes where it stands in a pair of them."""
    bare = text.strip()
    if len(bare) > 1 and bare[0] == bare[-1] == '"' and '"' not in bare[1:-1]:
        return bare[1:-1].strip()
    return bare


def read_marks(text: str) -> Marked:
    """Take weights and exclusions off a cleaned text.

    >>> read_marks("a (black:1.5) dog -night").text
    'a black dog'

    Raises:
        QueryError: A weight is malformed or out of range.
    """
    without, rest = _exclusions(text)
    weights = tuple(Term(m["words"].strip(), _weight(m["weight"], m[0])) for m in _EMPHASIS.finditer(rest))
    plain = _EMPHASIS.sub(lambda m: f" {m['words'].strip()} ", rest)
    if _LEFT_OVER.search(plain):
        raise QueryError(
            f"cannot read the weight in {shown(text)}",
            hint='write (words:number), such as "a (black:1.5) dog"',
        )
    return Marked(_SPACED.sub(r"\1", " ".join(plain.split())).strip(",; "), weights, without)


def _exclusions(text: str) -> tuple[tuple[Term, ...], str]:
    """What must not show, and the text without it.

    ``-word`` excludes a word. An article alone excludes nothing: ``-a black bus`` takes all up to the next
    mark.
    """
    without, rest, at = [], [], 0
    while match := _EXCLUSION.search(text, at):
        rest.append(text[at : match.start()])
        at = match.end()
        words = match["group"] or match["quoted"] or match["word"]
        if match["word"] and words.lower() in _articles():
            phrase = _PHRASE.match(text, at)
            if phrase is not None:
                words, at = words + phrase[0], phrase.end()
        without.append(Term(_words(words, text), _weight(match["weight"] or "1", match[0].strip())))
    return tuple(without), " ".join([*rest, text[at:]])


def _articles() -> frozenset[str]:
    return frozenset().union(*(language.articles for language in languages().values()))


def _words(text: str, whole: str) -> str:
    words = text.strip(" ?!.,;")
    if not any(c.isalnum() for c in words):
        raise QueryError(f"an exclusion of {shown(whole)} has no words", hint='write -word or -"more words"')
    return words


def _weight(number: str, said: str) -> float:
    weight = float(number)
    if not 0 <= weight <= MAX_WEIGHT:
        raise QueryError(
            f"the weight in {shown(said)} must be from 0 to {MAX_WEIGHT:g}, got {shown(number)[1:-1]}",
            hint="1 is as usual, 2 twice as much, 0.5 half",
        )
    return weight

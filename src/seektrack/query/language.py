"""A language as data, and the languages there are: those in the package, and whatever others bring.

A package of one's own adds a language by an entry point of the group ``seektrack.languages`` that names a
`Language`, or by `register_language`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points

from seektrack.errors import InputError

BUILT_IN = ("en", "de", "fr", "es")
ENTRY_POINTS = "seektrack.languages"
Words = frozenset[str]
NO_WORDS: Words = frozenset()


def words(text: str) -> Words:
    """The words of a list written as text."""
    return frozenset(text.split())


def _nothing_ends(word: str) -> bool:
    return False


def _as_it_is(phrase: str) -> str:
    return phrase


@dataclass(frozen=True, eq=False)
class Language:
    """What is needed to read a question in a language. Words are in lower case; patterns ignore case.

    Attributes:
        code, name: ``"de"``, ``"German"``.
        articles: What a noun phrase begins with.
        one, several: Those that ask for one, and for more than one.
        numbers: Words of number.
        singular: Makes a noun singular; leaves what is none as it is.
        colours: Word of colour, in every form, to its English word.
        sizes: Word of size to ``"small"`` or ``"large"``.
        rates: Word of speed to ``"fast"`` or ``"slow"``.
        nouns: Everyday nouns to English, singular and plural.
        others: Further words the language is known by.
        after_noun: Words at which what follows is no more the name of the thing.
        ends_noun: Tells the same of other words, as of participles.
        and_words, or_words, with_words: Patterns of the conjunctions.
        without: Pattern of what says that the following must not show.
        copula: Pattern of a verb that ends such a clause, as in German.
        then: Pattern between two events; ``first`` begins the first of them, ``before`` counts between two
            events only.
        caption: Pattern of how a picture is announced, ``a photo of``, which a crop does not need.
        leading, trailing: Verbose patterns of what is said around a question, at its beginning and end.
        heard: What a thing does → pattern.
        happens: The same of events, which end a clause.
        inverted: The same where the thing stands inside, as group 1.
        moving: Pattern of words that say only that something moves.
        posed: Pattern of words that also say what it looks like.
        said: What a thing does → the words a temporal encoder learnt.
        order: ``then`` and ``and`` between clauses.
        article: Puts the fitting article before words.
        templates: Wordings of a phrase with its article, ``{}``.
    """

    code: str
    name: str
    articles: Words
    singular: Callable[[str], str]
    colours: Mapping[str, str]
    without: str
    then: str
    and_words: str
    with_words: str
    one: Words = NO_WORDS
    several: Words = NO_WORDS
    numbers: Words = NO_WORDS
    sizes: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, str] = field(default_factory=dict)
    nouns: Mapping[str, str] = field(default_factory=dict)
    others: Words = NO_WORDS
    after_noun: Words = NO_WORDS
    ends_noun: Callable[[str], bool] = _nothing_ends
    or_words: str = r"or"
    copula: str = r"(?!)"
    first: str = r"(?!)"
    before: str = r"(?!)"
    caption: str = r"(?!)"
    leading: str = r"(?!)"
    trailing: str = r"(?!)"
    heard: Mapping[str, str] = field(default_factory=dict)
    happens: Mapping[str, str] = field(default_factory=dict)
    inverted: Mapping[str, str] = field(default_factory=dict)
    moving: str = r"(?!)"
    posed: str = r"(?!)"
    said: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, str] = ("then", "and")
    article: Callable[[str], str] = _as_it_is
    templates: tuple[str, ...] = ("{}",)

    @functools.cached_property
    def known(self) -> Words:
        """Every word the language is recognised by."""
        return frozenset().union(self.articles, self.colours, self.sizes, self.rates, self.nouns, self.others)

    @functools.cached_property
    def written(self) -> Words:
        """Every word the language is read with, those of its patterns too, in lower case."""
        told = [value for value in vars(self).values() if isinstance(value, str)]
        told += [*self.heard.values(), *self.happens.values(), *self.said]
        found = {word.lower() for text in told for word in _LETTERS.findall(text)}
        return self.known | self.one | self.several | self.numbers | found

    @functools.cache  # noqa: B019  # languages live as long as the program
    def pattern(self, name: str, kind: str = "") -> re.Pattern[str]:
        """A pattern of this language, compiled; ``kind`` picks one of ``heard`` or ``happens``."""
        said = getattr(self, name)
        return re.compile(said[kind] if kind else said, re.IGNORECASE | _FLAGS.get(name, re.NOFLAG))


_FLAGS = {"leading": re.VERBOSE, "trailing": re.VERBOSE}
_ADDED: dict[str, Language] = {}
_LETTERS = re.compile(r"(?<!\\)[^\W\d_]{3,}")


def register_language(language: Language) -> Language:
    """Make a language known to `seektrack.query.read`; one of the same code is replaced.

    Raises:
        InputError: The code is none, or a pattern of it cannot be read.
    """
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)?", language.code):
        raise InputError(f"{language.code!r} is no code of a language", hint='write two letters, as "it"')
    try:
        for name in ("without", "then", "and_words", "with_words", "leading", "trailing", "moving", "posed"):
            language.pattern(name)
    except re.error as error:
        raise InputError(f"a pattern of the language {language.name} cannot be read: {error}") from error
    _ADDED[language.code] = language
    languages.cache_clear()
    return language


@functools.cache
def languages() -> Mapping[str, Language]:
    """Languages by code: the built-in ones first, then those of entry points and registered ones."""
    found = {c: import_module(f"seektrack.query.spoken.{c}").LANGUAGE for c in BUILT_IN}
    for point in entry_points(group=ENTRY_POINTS):
        loaded = point.load()
        if isinstance(loaded, Language):
            found.setdefault(loaded.code, loaded)
    return found | _ADDED


_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text in lower case, without punctuation."""
    return tuple(_WORD.findall(text.lower()))

"""A noun phrase taken apart: the thing, its colour and size, one or several; and enumerations of things."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seektrack.query.language import Language, words, words_of

_BETWEEN = words("between zwischen entre")
_ANYTHING = "object"


@dataclass(frozen=True)
class Phrase:
    """What a noun phrase says; the fields are those of `seektrack.query.Concept`."""

    instance: str
    category: str
    english: str
    colour: str | None
    size: str | None
    attributes: tuple[str, ...]
    plural: bool
    fast: str = ""


def read_phrase(text: str, language: Language) -> Phrase | None:
    """Take a noun phrase apart; None when it names no thing, as ``the``.

    >>> from seektrack.query.language import languages
    >>> read_phrase("two small red cars", languages()["en"]).instance
    'a red car'
    """
    said = list(words_of(re.sub(f"^{language.caption}", "", text, flags=re.IGNORECASE)))
    first = said[0] if said else ""
    body = _without_articles(said, language)
    if not body:
        return None
    end = _end_of_name(body, language)
    head, tail = body[:end], body[end:]
    last = head[-1] if first in language.one else language.singular(head[-1])
    plural = bool(language.several & set(said[: len(said) - len(body)])) or (
        last != head[-1] and first not in language.one
    )
    head[-1] = last
    size = next((language.sizes[w] for w in head if w in language.sizes), None)
    fast = next((language.rates[w] for w in head if w in language.rates), "") if len(head) > 1 else ""
    head = [w for w in head if w not in language.sizes and not (fast and w in language.rates)]
    coloured = [w for w in head if w in language.colours]
    if len(coloured) == len(head) == 1 and language.colours[head[0]] == "orange" and first in language.one:
        coloured = []
    colour = language.colours[coloured[0]] if coloured else None
    joined = _joined_colours(head, language)
    name = [w for w in head if w not in coloured and w not in joined]
    if not name:
        head, name = [*head, _ANYTHING], [_ANYTHING]
    more = tuple(language.colours[w] for w in coloured[1:])
    return Phrase(
        instance=_instance(text, [*head, *tail], language),
        category=" ".join(name if language.code == "en" else map(language.singular, name)),
        english=_english(coloured, name, tail, language),
        colour=colour,
        size=size,
        attributes=(*more, *((" ".join(tail),) if tail else ())),
        plural=plural,
        fast=fast,
    )


def split_things(text: str, language: Language) -> tuple[str, ...]:
    """The things an enumeration names; the text alone when it is none.

    What follows a comma or ``and`` has to begin with an article or a number, or both sides have to be
    plurals: ``a black and white dog`` stays whole.
    """
    return _split(text, language, rf"\s*,\s*(?:{language.and_words}\s+)?|\s+{language.and_words}\s+")


def split_company(text: str, language: Language) -> tuple[str, ...]:
    """A thing and what shows with it, ``a man with a dog``; empty when it is alone."""
    parts = _split(text, language, rf"\s+{language.with_words}\s+")
    return parts if len(parts) > 1 else ()


def english_of(text: str, language: Language) -> str:
    """A few words in English, where every one of them is known; else empty."""
    if language.code == "en":
        return text
    body = _without_articles(list(words_of(text)), language)
    found = [language.colours.get(w) or language.nouns.get(w, "") for w in body]
    order = sorted(zip(body, found, strict=True), key=lambda pair: pair[0] not in language.colours)
    return " ".join(english for _, english in order) if found and all(found) else ""


def _split(text: str, language: Language, separator: str) -> tuple[str, ...]:
    parts: list[str] = []
    begin = 0
    for match in re.finditer(separator, text, re.IGNORECASE):
        left, right = text[begin : match.start()], text[match.end() :]
        if _are_things(left, right[:80], language, counted=bool(parts)):
            parts.append(left.strip())
            begin = match.end()
    return (*parts, text[begin:].strip())


def _are_things(left: str, right: str, language: Language, *, counted: bool) -> bool:
    before, after = words_of(left[-200:]), words_of(right)
    if not before or not after or _BETWEEN & set(before):
        return False
    begins = after[0] in language.articles and len(after) > 1
    whole = counted or before[0] in language.articles or _is_plural(before, language)
    if begins:
        return whole and (
            len(before) > 1 or _is_plural(before, language) or before[0] not in language.articles
        )
    name = after[: _end_of_name(list(after), language)]
    return _is_plural(before, language) and _is_plural(name, language)


def _is_plural(said: Sequence[str], language: Language) -> bool:
    last = said[-1]
    return language.singular(last) != last and last not in language.colours


def _without_articles(said: list[str], language: Language) -> list[str]:
    at = 0
    while at < len(said) and (said[at] in language.articles or (at and said[at] == "of")):
        at += 1
    return said[at:]


def _end_of_name(body: list[str], language: Language) -> int:
    joined = _joined_colours(body, language)
    for i, word in enumerate(body):
        if i and word not in joined and (word in language.after_noun or language.ends_noun(word)):
            return i
    return len(body)


def _joined_colours(body: Sequence[str], language: Language) -> frozenset[str]:
    """The ``and`` of ``black and white``."""
    joins = re.compile(language.and_words, re.IGNORECASE)
    return frozenset(
        word
        for i, word in enumerate(body)
        if 0 < i < len(body) - 1
        and joins.fullmatch(word)
        and body[i - 1] in language.colours
        and body[i + 1] in language.colours
    )


def _instance(text: str, said: Sequence[str], language: Language) -> str:
    """One of it; other languages agree in number and gender, so their words are left as they are."""
    return language.article(" ".join(said)) if language.code == "en" else text


def _english(coloured: Sequence[str], name: Sequence[str], tail: Sequence[str], language: Language) -> str:
    if language.code == "en":
        return ""
    nouns = ["object" if w == _ANYTHING else language.nouns.get(w, "") for w in name]
    if tail or not all(nouns):
        return ""
    phrase = " ".join([*(language.colours[w] for w in coloured), *nouns])
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"

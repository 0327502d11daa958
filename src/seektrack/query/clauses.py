"""What a clause says beside its things: what must not show, how they move, what happens to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from seektrack.query.language import Language, words, words_of
from seektrack.query.phrase import english_of
from seektrack.query.types import EVENTS, Clause, Event, Motion, Term

OPPOSITES = {
    "left": ("right", "still"),
    "right": ("left", "still"),
    "up": ("down", "still"),
    "down": ("up", "still"),
    "approaching": ("receding", "still"),
    "receding": ("approaching", "still"),
    "still": ("left", "right"),
    "appears": ("leaves",),
    "leaves": ("appears",),
    "returns": ("leaves",),
    "stops": ("starts",),
    "starts": ("stops",),
}
"""What a thing does, and what it may do instead."""
_DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_LOOSE = words("that which who and is are was were der die das qui que und et y")
_NOUNS_TOO = words("leaves stops returns starts exits")
_WEARING = re.compile(r"^(?:wearing|having|showing)\s+", re.IGNORECASE)
_PRONOUN = re.compile(r"\s+(?:ones?|either|at all)$", re.IGNORECASE)


@dataclass(frozen=True)
class Does:
    """What a thing does.

    Attributes:
        text: The words without it.
        motion, event: As of a `seektrack.query.Concept`.
        clause: How to ask pieces of video about it.
    """

    text: str
    motion: Motion | None = None
    event: Event | None = None
    clause: Clause | None = None


def split_then(text: str, language: Language) -> list[str]:
    """Events in the order they are said, ``first … then …``; the text alone when there is one."""
    begun = re.sub(rf"^(?:{language.first}|{language.then})\b[,\s]+", "", text, flags=re.IGNORECASE)
    pieces = re.split(rf"[,;]?\s+(?:{language.then})\b,?\s+", f" {begun}", flags=re.IGNORECASE)
    found = [p.strip(" ,;") for p in pieces]
    if len(found) == 1:
        pair = re.split(rf"[,;]?\s+(?:{language.before})\s+", begun, maxsplit=1, flags=re.IGNORECASE)
        if len(pair) == 2 and all(read_doing(p, language).event for p in pair):
            found = [p.strip(" ,;") for p in pair]
    return [p for p in found if p]


def take_exclusions(text: str, language: Language) -> tuple[str, tuple[Term, ...]]:
    """A clause without what it says must not show, and that: ``a car`` and ``people`` of both."""
    masked = text
    if "still" in language.heard:  # "not moving" excludes nothing
        masked = language.pattern("heard", "still").sub(lambda m: "\0" * len(m[0]), text)
    marks = list(re.finditer(rf"(?:^|[,\s]\s*)(?:{language.without})(?=\s)", masked, re.IGNORECASE))
    if not marks:
        return text, ()
    kept, excluded = [text[: marks[0].start()]], []
    ends = [m.start() for m in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=True):
        items, rest = _items(text[mark.end() : end], language)
        excluded += items
        kept.append(rest)
    return _tidy(" ".join(k for k in kept if k.strip(" ,"))), tuple(dict.fromkeys(excluded))


def read_doing(text: str, language: Language) -> Does:
    """Take off what a thing does: motion first, then what happens to it."""
    inverted = _inverted(text, language)
    if inverted is not None:
        return inverted
    for event in EVENTS:
        if event not in language.happens:
            continue
        match = _event_pattern(language, event).search(text)
        if match is not None and _agrees(text[: match.start()], match[0], language):
            thing = _tidy(text[: match.start()])
            if any(c.isalnum() for c in thing):
                return Does(thing, None, event, _clause(text, match, event, language))
    return _read_motion(text, language)


def _read_motion(text: str, language: Language) -> Does:
    for kind in language.heard:
        match = language.pattern("heard", kind).search(text)
        if match is None or not match[0].strip():
            continue
        thing = _cut(text, match, language)
        if not any(c.isalnum() for c in thing):
            return Does("")
        rest, rate = _take_rate(thing, match[0], language)
        clause = _clause(text, match, kind, language)
        if kind == "still":
            return Does(rest, Motion(False), None, clause)
        approach = {"approaching": 1, "receding": -1}.get(kind, 0)
        return Does(rest, Motion(True, _DIRECTIONS.get(kind), approach, rate), None, clause)
    bare = language.pattern("moving").search(text)
    if bare is not None:
        thing = _cut(text, bare, language)
        if any(c.isalnum() for c in thing):
            rest, rate = _take_rate(thing, bare[0], language)
            return Does(rest, Motion(True, rate=rate))
    if language.pattern("posed").search(text) is not None:
        rest, rate = _take_rate(text, "", language)
        return Does(rest, Motion(True, rate=rate))
    return Does(text)


def _cut(text: str, match: re.Match[str], language: Language) -> str:
    """The text without words of motion; those that one picture shows too, as ``running``, stay."""
    posed = language.pattern("posed").search(match[0])
    kept = posed[0] if posed is not None else ""
    return _tidy(" ".join([text[: match.start()], kept, text[match.end() :]]))


def _take_rate(text: str, said: str, language: Language) -> tuple[str, str]:
    rate = next((language.rates[w] for w in words_of(said) if w in language.rates), "")
    if not rate and re.search(r"\bspeeding\b", said, re.IGNORECASE):
        rate = "fast"
    if not rate:
        for word in words_of(text):
            if word in language.rates:
                rate = language.rates[word]
                text = _tidy(
                    re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", " ", text, count=1, flags=re.IGNORECASE)
                )
                break
    return text, rate


def _clause(text: str, match: re.Match[str], kind: str, language: Language) -> Clause:
    """How clips are asked: in the words the encoder learnt, here and for what else may be."""
    before, after = text[: match.start()].rstrip(" ,"), text[match.end() :].strip(" ,")
    if all(w in language.articles or w in language.colours or w in language.sizes for w in words_of(before)):
        before, after = f"{before} {after}", ""  # "a parked white truck"
    which = re.search(r"\b(?:der|die|das)\b", match[0], re.IGNORECASE) if language.code == "de" else None
    pronoun = which[0] if which is not None else "das"
    said = {
        k: _say(before, after, language.said[k].replace(", das ", f", {pronoun} "))
        for k in (kind, *OPPOSITES[kind])
        if k in language.said
    }
    asked = said.get(kind, text) if language.code == "en" else " ".join(text.split())
    return Clause(asked, tuple(said[k] for k in OPPOSITES[kind] if k in said))


def _say(before: str, after: str, does: str) -> str:
    return " ".join(f"{before}{'' if does.startswith(',') else ' '}{does} {after}".split())


def _event_pattern(language: Language, event: Event) -> re.Pattern[str]:
    return re.compile(rf"(?<=\w)[,\s]+(?:{language.happens[event]})[\s.!?,]*$", re.IGNORECASE)


def _agrees(before: str, verb: str, language: Language) -> bool:
    """``two bus stops`` are stops, no bus that stops: in English a verb on -s has one subject."""
    said = words_of(before)
    if language.code != "en" or not said:
        return True
    spoken = words_of(verb)[-1:] if len(words_of(verb)) == 1 else ()
    if not spoken or not spoken[0].endswith("s"):
        return True
    bare = said[0] not in language.articles and spoken[0] in _NOUNS_TOO and not language.known & set(said)
    return not bare and said[0] not in language.several


def _inverted(text: str, language: Language) -> Does | None:
    """``dann verlässt ein blauer Hund das Bild``: the thing stands inside the verb."""
    for event in EVENTS:
        if event not in language.inverted:
            continue
        match = language.pattern("inverted", event).fullmatch(text)
        if match is not None:
            thing = match[1].strip()
            other = tuple(_say(thing, "", language.said[o]) for o in OPPOSITES[event])
            return Does(thing, None, event, Clause(_say(thing, "", language.said[event]), other))
    return None


def _items(text: str, language: Language) -> tuple[list[Term], str]:
    """What an exclusion names, and what of the text goes on with the main thing."""
    both = f"{language.or_words}|{language.and_words}"
    separator = rf"\s*,\s*(?:(?:{both})\s+)?|\s+(?:{both})\s+"
    pieces = re.split(rf"({separator})", text, flags=re.IGNORECASE)
    things, marks = pieces[::2], [*pieces[1::2], ""]
    listed = any(re.search(rf"\b(?:{both})\b", m, re.I) for m in marks)
    first = words_of(things[0])[:1]
    with_article = bool(first) and first[0] in language.articles
    items: list[Term] = []
    for i, thing in enumerate(things):
        begins = words_of(thing)[:1]
        either = bool(i) and bool(re.search(rf"\b{language.or_words}\b", marks[i - 1], re.IGNORECASE))
        ends = i and not either and (bool(begins) and begins[0] in language.articles) != with_article
        if (i and not listed) or ends:
            rest = "".join(p for pair in zip(things[i:], marks[i:], strict=True) for p in pair)
            return items, (marks[i - 1] + rest)
        term, beyond = _excluded(thing, language)
        items += [term] if term is not None else []
        if beyond:
            rest = "".join(p for pair in zip(things[i + 1 :], marks[i + 1 :], strict=True) for p in pair)
            return items, beyond + marks[i] + rest
    return items, ""


def _excluded(text: str, language: Language) -> tuple[Term | None, str]:
    """The words of one exclusion, and what follows it about the place: ``on a street``."""
    bare = re.sub(rf"\s+{language.copula}$", "", text.strip(" ,.;!?"), flags=re.IGNORECASE)
    bare = _WEARING.sub("", _PRONOUN.sub("", bare)).strip()
    beyond = ""
    place = re.search(r"\s+(?:in|on|at|im|am|auf|dans|sur|en|sobre)\s+(?=\w+\s+\w)", bare, re.IGNORECASE)
    if place is not None:
        bare, beyond = bare[: place.start()], bare[place.start() :]
    if not any(c.isalnum() for c in bare):
        return None, beyond
    said = words_of(bare)
    if said[0] in language.articles and all(w in language.colours for w in said[1:]) and len(said) > 1:
        bare = " ".join(said[1:])
    return Term(bare, 1.0, english_of(bare, language)), beyond


def _tidy(text: str) -> str:
    """A text without the conjunction or relative pronoun that is left at its end."""
    said = text.split()
    while said and said[-1].strip(",.").lower() in _LOOSE | {""}:
        said.pop()
    return " ".join(said).strip(" ,")


def with_english(terms: tuple[Term, ...], language: Language) -> tuple[Term, ...]:
    """Terms with what they are in English."""
    return tuple(replace(t, english=english_of(t.text, language)) for t in terms)

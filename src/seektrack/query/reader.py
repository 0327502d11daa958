"""From what a person types to a `Query`: the only place that reads a question.

Marks come off first, as they are the same in every language. What is left is taken apart by the rules of the
language it is in: politeness, events in order, what must not show, enumerations, motion, and the noun phrases
themselves. A text in a language that is not known here is left whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from seektrack.errors import QueryError
from seektrack.query.clauses import Does, read_doing, split_then, take_exclusions, with_english
from seektrack.query.cleaning import cleaned, language_of, shown
from seektrack.query.language import Language, languages, words_of
from seektrack.query.marks import Marked, read_marks, split_at, unquoted
from seektrack.query.phrase import Phrase, read_phrase, split_company, split_things
from seektrack.query.types import Concept, Motion, Query, Term

Translate = Callable[[Sequence[str]], Sequence[str]]
_AROUND = 160
"""Characters looked at for what is said around a question."""
MAX_CONCEPTS = 32
"""Things one question may ask for."""
_EMPTY_HINT = 'type what to look for, such as "a red car"'


def read(text: str | Sequence[str] | Query, *, translate: Translate | None = None) -> Query:
    """Read a question.

    Args:
        text: What is asked: a text, several texts that are each asked for, or what was read before.
        translate: Puts texts into another language, in which they are then read; marks stay as they are.

    Returns:
        What it says. A `Query` comes back as it is.

    Raises:
        QueryError: The text has no words, names no thing, says only what must not show, or holds a mark that
            cannot be read.

    >>> query = read("show me a small red car moving left, but no dogs -night")
    >>> query.text, [t.text for t in query.without], query.concepts[0].motion.kind
    ('a small red car', ['night', 'dogs'], 'left')
    """
    if isinstance(text, Query):
        return text
    if isinstance(text, str):
        return _read_text(text, translate)
    if not isinstance(text, Sequence) or isinstance(text, (bytes, bytearray)):
        raise QueryError(f"a query must be a text, got {type(text).__name__}", hint=_EMPTY_HINT)
    if not text:
        raise QueryError("there is nothing to look for", hint=_EMPTY_HINT)
    return _several([read(one, translate=translate) for one in text])


def _several(queries: Sequence[Query]) -> Query:
    if len(queries) == 1:
        return queries[0]
    if any(q.ordered for q in queries):
        raise QueryError(
            "an order of events cannot be one of several questions",
            hint='ask it alone: "a red car appears -> a dog leaves"',
        )
    return Query(
        typed="; ".join(q.typed for q in queries),
        groups=tuple(group for q in queries for group in q.groups),
        language=queries[0].language,
        notices=tuple(dict.fromkeys(n for q in queries for n in q.notices)),
    )


def _read_text(text: str, translate: Translate | None) -> Query:
    typed = cleaned(text)
    if not any(c.isalnum() for c in typed):
        raise QueryError(
            f"the query {shown(text) if isinstance(text, str) else ''} has no words", hint=_EMPTY_HINT
        )
    steps = split_at(typed, "->")
    ordered = len(steps) > 1
    if ordered and not all(any(c.isalnum() for c in step) for step in steps):
        raise QueryError(
            f"a step of {shown(typed)} is empty", hint='write "a red car appears" -> "a dog leaves"'
        )
    pieces = [[p for p in split_at(step, ";") if p.strip()] for step in steps]
    marked = [[read_marks(piece) for piece in step] for step in pieces]
    for one in (m for step in marked for m in step):
        if one.without and not any(c.isalnum() for c in one.text):
            raise _only_exclusions(typed, one.without[0])
    notices: list[str] = []
    if translate is not None:
        marked = _translated(marked, translate, notices)
    said = " ".join(" ".join([m.text, *(t.text for t in m.without)]) for step in marked for m in step)
    code = language_of(said)
    groups: list[tuple[Concept, ...]] = []
    close = False
    for step in marked:
        events = [event for piece in step for event in _events(piece, typed, code)]
        if ordered:  # things of one step show together
            groups.append(tuple(concept for group in events for concept in group[0]))
        else:
            groups += [group for group, _ in events]
            close = close or any(then for _, then in events)
    if close and len(pieces[0]) > 1:
        raise QueryError(
            f"an order of events cannot be one of several questions: {shown(typed)}",
            hint='ask it alone: "a red car appears -> a dog leaves"',
        )
    count = sum(map(len, groups))
    if count > MAX_CONCEPTS:
        raise QueryError(
            f"{shown(typed)} asks for {count} things, at most {MAX_CONCEPTS} are asked at once",
            hint="ask in several searches",
        )
    return Query(typed, tuple(groups), ordered or close, close and not ordered, code, tuple(notices))


def _events(piece: Marked, typed: str, code: str) -> list[tuple[tuple[Concept, ...], bool]]:
    """Groups of concepts of a piece, and whether they follow each other."""
    language = languages().get(code)
    if language is None:
        bare = piece.text.strip(' ?!."')
        weights = _named(piece.weights, bare)
        return [
            ((Concept(bare, bare, bare, bare, weights=weights, without=piece.without, language=code),), False)
        ]
    text = unframed(piece.text, language)
    clauses = split_then(text, language)
    if not clauses:
        raise QueryError(f"the query {shown(typed)} has no words", hint=_EMPTY_HINT)
    return [(_group(unquoted(clause), piece, typed, language), len(clauses) > 1) for clause in clauses]


def _group(clause: str, piece: Marked, typed: str, language: Language) -> tuple[Concept, ...]:
    said, excluded = take_exclusions(clause.rstrip("?!. "), language)
    without = (*with_english(piece.without, language), *excluded)
    if not any(c.isalnum() for c in said):
        raise _only_exclusions(typed, *without[:1])
    whole = read_doing(said, language)
    things = split_things(said, language)
    if len(things) > 1:
        read_each = [read_doing(thing, language) for thing in things]
        if not any(d.motion or d.event for d in read_each[:-1]):  # what the last does, all of them do
            things = split_things(whole.text, language)
            read_each = [replace(whole, text=thing) for thing in things]
    else:
        things, read_each = (said,), [whole]
    concepts = [
        _concept(d, thing if len(things) > 1 else said, piece, without, typed, language)
        for d, thing in zip(read_each, _spoken(said, things), strict=True)
    ]
    return _with_shared_names(concepts)


def _spoken(said: str, things: Sequence[str]) -> Sequence[str]:
    return (said,) if len(things) == 1 else things


def _concept(
    does: Does, said: str, piece: Marked, without: tuple[Term, ...], typed: str, language: Language
) -> Concept:
    phrase = read_phrase(does.text, language)
    if phrase is None:
        raise QueryError(f"the query {shown(typed)} names no thing", hint='name it, such as "a red car"')
    return Concept(
        said=said,
        text=does.text,
        instance=phrase.instance,
        category=phrase.category,
        english=phrase.english,
        colour=phrase.colour,
        size=phrase.size,
        attributes=phrase.attributes,
        plural=phrase.plural,
        motion=_motion(does, phrase),
        event=does.event,
        clause=does.clause,
        weights=_named(piece.weights, does.text),
        without=without,
        beside=split_company(does.text, language),
        language=language.code,
    )


def _motion(does: Does, phrase: Phrase) -> Motion | None:
    if does.motion is None and phrase.fast:
        return Motion(True, rate=phrase.fast)
    if does.motion is not None and does.motion.moving and phrase.fast and not does.motion.rate:
        return replace(does.motion, rate=phrase.fast)
    return does.motion


def _with_shared_names(concepts: Sequence[Concept]) -> tuple[Concept, ...]:
    """``a red and a blue car``: a part that names no thing takes the name of the last."""
    last = concepts[-1]
    out = []
    for one in concepts:
        if one.category == "object" and "object" not in one.text and last.category != "object":
            name = f"{one.text} {last.category}"
            one = replace(
                one,
                said=name,
                text=name,
                instance=name,
                category=last.category,
                english=one.english.replace("object", last.english.split()[-1]) if last.english else "",
            )
        out.append(one)
    return tuple(out)


def unframed(text: str, language: Language) -> str:
    """A text without what is said around it to be polite or complete, as long as something remains.

    ``a photo of`` and the like stay: encoders learnt from such captions.
    """
    every = dict.fromkeys([language, *languages().values()])
    for before in (True, False):
        while True:
            rest = text
            for one in every:
                rest = _without_frame(text, one, before=before)
                if rest != text:
                    break
            if rest == text:
                break
            text = rest
    return text


def _without_frame(text: str, language: Language, *, before: bool) -> str:
    if before:
        match = language.pattern("leading").match(text, 0, _AROUND)
        rest = text if match is None else text[match.end() :].lstrip(" ,")
    else:
        near = text[-_AROUND:]
        pattern = re.compile(rf"[\s,]+(?:{language.trailing})[\s.!?]*$", re.IGNORECASE | re.VERBOSE)
        match = pattern.search(near)
        rest = text if match is None else text[: len(text) - len(near) + match.start()]
    return rest if any(c.isalnum() for c in rest) else text


def _named(weights: tuple[Term, ...], text: str) -> tuple[Term, ...]:
    """The weights whose words a text holds."""
    said = f" {' '.join(words_of(text))} "
    return tuple(w for w in weights if f" {' '.join(words_of(w.text))} " in said)


def _only_exclusions(typed: str, *without: Term) -> QueryError:
    example = '"a car -night"'
    if without:
        language = languages().get(language_of(without[0].text))
        phrase = None if language is None else read_phrase(without[0].text, language)
        if phrase is not None and phrase.colour and phrase.category != "object":
            example = f'"a {phrase.category} -{phrase.colour}"'
    return QueryError(
        f"{shown(typed)} says only what must not show", hint=f"say what to look for too: {example}"
    )


def _translated(marked: list[list[Marked]], translate: Translate, notices: list[str]) -> list[list[Marked]]:
    """All pieces in another language; weights inside a sentence are lost, as its words move.

    Raises:
        QueryError: The translator gave an empty text or another number of texts.
    """
    sources = [text for step in marked for m in step for text in (m.text, *(t.text for t in m.without))]
    texts = [cleaned(str(t)) for t in translate(sources)]
    if len(texts) != len(sources) or not all(any(c.isalnum() for c in t) for t in texts):
        raise QueryError(
            f"the translator made {repr(texts)[:200]} of {repr(sources)[:200]}",
            hint="search in the encoder's own language",
        )
    if any(m.weights for step in marked for m in step):
        notices.append("weights are lost in translation, as words move")
    given = iter(texts)
    return [
        [Marked(next(given), (), tuple(replace(t, text=next(given)) for t in m.without)) for m in step]
        for step in marked
    ]

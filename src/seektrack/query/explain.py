"""A question as it was understood, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from seektrack.query.cleaning import language_name
from seektrack.query.types import Concept, Query, Term


def explain(query: Query) -> tuple[str, ...]:
    """How a question was read, a line for each fact.

    >>> from seektrack.query import read
    >>> explain(read("two red cars moving left -night"))[1:]
    ('thing: car, red, several', 'moves: left', 'must not show: night')
    """
    lines = [f"language: {language_name(query.language)}"]
    if query.ordered:
        lines.append(f"order: {len(query.groups)} events, one after the other")
    elif len(query.groups) > 1:
        lines.append(f"asked for: {len(query.groups)} things, each by itself")
    for number, group in enumerate(query.groups, 1):
        lead = f"{number}. " if len(query.groups) > 1 else ""
        together = f" (together with {len(group) - 1} more)" if len(group) > 1 else ""
        for i, concept in enumerate(group):
            lines.append(f"{lead}thing: {_thing(concept)}{together if i == 0 else ''}")
            lines += [f"{lead}{line}" for line in _details(concept)]
        lead_out = dict.fromkeys(t for c in group for t in c.without)
        if lead_out:
            lines.append(f"{lead}must not show: {', '.join(map(_term, lead_out))}")
    return (*lines, *(f"note: {notice}" for notice in query.notices))


_CAN = {
    "search": {"motion", "events", "order"},
    "hits": {"motion", "events"},
    "track": {"motion", "pace"},
    "live": set(),
    "compare": set(),
    "align": {"motion", "events"},
}


def left_aside(query: Query, *, door: str, clips: bool = True) -> tuple[str, ...]:
    """What of a question a door cannot answer, one line each.

    Args:
        query: The question.
        door: ``search``, ``hits``, ``track``, ``live``, ``compare`` or ``align``.
        clips: Pieces of video can be asked what happens.

    >>> from seektrack.query import read
    >>> left_aside(read("a dog leaves"), door="live")
    ("'leaves' is left aside: live looks at single pictures",)
    """
    can = _CAN[door]
    why = {
        "live": "live looks at single pictures",
        "compare": "wordings are compared on single pictures",
    }.get(
        door,
        "the library keeps no clips (seektrack index --temporal)" if not clips else f"{door} cannot tell it",
    )
    out = []
    for concept in query.concepts:
        motion = concept.motion
        said = "" if motion is None else motion.kind
        if said and not ("motion" in can and (clips or door == "track")):
            out.append(f"'{said if said != 'still' else 'standing still'}' is left aside: {why}")
        if motion is not None and motion.rate and "pace" not in can:
            out.append(f"'{motion.rate}' is left aside: only tracks tell how fast something moves")
        stepwise = query.ordered and concept.event in ("appears", "leaves") and "order" in can
        if concept.event and not stepwise and not ("events" in can and clips):
            reason = "tracks are followed whether or not it happens" if door == "track" else why
            out.append(f"'{concept.event}' is left aside: {reason}")
    if query.ordered and "order" not in can:
        out.append("the order of events is left aside: each of them is looked for by itself")
    return tuple(dict.fromkeys(out))


def in_short(query: Query) -> str:
    """How a question was read, in one line.

    ``thing [what it does] {size} +word*weight -excluded``; ``&`` together, ``;`` each by itself, ``->`` in
    order.

    >>> from seektrack.query import read
    >>> in_short(read("two (red:2) cars moving left and a dog, no cats -> a bus"))
    'a red car [left] +red*2 -cats & a dog -cats -> a bus'
    """
    between = " -> " if query.ordered else "; "
    return between.join(" & ".join(map(_short, group)) for group in query.groups)


def _short(concept: Concept) -> str:
    bits = [concept.instance]
    motion = concept.motion
    does = [] if motion is None else [motion.kind or "moving", motion.rate]
    said = concept.event or " ".join(w for w in does if w)
    bits += [f"[{said}]"] if said else []
    bits += [f"{{{concept.size}}}"] if concept.size else []
    bits += [f"+{w.text}*{w.weight:g}" for w in concept.weights]
    bits += [f"-{t.text}{'' if t.weight == 1 else f'*{t.weight:g}'}" for t in concept.without]
    return " ".join(bits)


def _thing(concept: Concept) -> str:
    facts = [concept.category, concept.colour, concept.size, *concept.attributes]
    return ", ".join([*(f for f in facts if f), *(["several"] if concept.plural else [])])


def _details(concept: Concept) -> Iterator[str]:
    motion = concept.motion
    if motion is not None:
        said = (motion.kind or "in any direction") if motion.moving else "not at all"
        yield f"moves: {said}{f', {motion.rate}' if motion.rate else ''}"
    if concept.event is not None:
        yield f"happens: {concept.event}"
    if concept.weights:
        yield f"counts more or less: {', '.join(map(_term, concept.weights))}"
    if concept.beside:
        yield f"shows with: {', '.join(concept.beside[1:])}"


def _term(term: Term) -> str:
    return term.text if term.weight == 1 else f"{term.text} ×{term.weight:g}"

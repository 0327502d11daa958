"""What moves, comes and goes on edited footage: single frames beside the stretches of a temporal encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seektrack.evaluation.montage import Montage, Shot
from seektrack.evaluation.shot_ranking import Figures, figures_of, shot_scores
from seektrack.pipeline import Library
from seektrack.retrieval import parse_motion
from seektrack.world import phrases
from seektrack.world.languages import noun_phrase

KINDS = ("motion", "event", "order")
_SOMETHING = noun_phrase(None, None, "en")
_DIRECTIONS = tuple(
    phrases.moving((None, None), way, "en").removeprefix(_SOMETHING) for way in phrases.MOTIONS
)
_ASKED = ("moving left", "moving right", "appears", "leaves", "returns")
"""What is asked of single things, beside orders of two events: what two seconds show well."""
_BARE = 2
"""Words of a name without its colour: full names are found by what they look like, whatever they do."""


def motions(library: Library, montage: Montage) -> Figures:
    """``a car moving left``, ``a car leaves``, ``a red car appears, then a blue dog leaves``.

    Asked of the library with and without its stretches. A shot answers when the text is true of it and its
    things show well; where they do not, or where the truth is silent about how they move, it counts neither
    way.

    Args:
        library: Of the montage, indexed with a temporal encoder.
        montage: With its truth.
    """
    texts = dict.fromkeys(t for shot in montage.shots for t in shot.happens if kind_of(t) in KINDS)
    figures: Figures = {}
    for kind in KINDS:
        asked = [t for t in texts if kind_of(t) == kind]
        truth = {t: (right_shots(montage, t), doubtful_shots(montage, t)) for t in asked}
        asked = [t for t in asked if truth[t][0]]
        right = {t: truth[t][0] for t in asked}
        doubt = {t: truth[t][1] for t in asked}
        chance = [len(right[t]) / max(len(_showing(montage, t) - doubt[t]), 1) for t in asked]
        figures[f"{kind}_queries"] = float(len(asked))
        figures[f"{kind}_r1_by_guessing"] = _mean(chance)
        for name, on in (("frames", False), ("temporal", True)):
            scores = {t: shot_scores(library, montage, t, motion=on) for t in asked}
            ranked = figures_of(kind, scores, right, doubt)
            figures |= {
                f"{kind}_r1_{name}": ranked[f"{kind}_r1"],
                f"{kind}_map_{name}": ranked[f"{kind}_map"],
            }
            figures[f"{kind}_moment_r1_{name}"] = _first_right(library, montage, right, motion=on)
    everything = dict.fromkeys(t for shot in montage.shots for t in shot.happens if t.endswith(_ASKED))
    return figures | reversed_alarms(library, montage, [t for t in everything if ", then " not in t])


def reversed_alarms(library: Library, montage: Montage, texts: Sequence[str]) -> Figures:
    """Share of texts that say the reverse of what happens, and are true nowhere, that find something.

    Names with their colour are asked, too.
    """
    asked: dict[str, None] = {}
    for text in texts:
        read = parse_motion(text)
        if read is None:
            continue
        reverse = read.against[0]
        if not right_shots(montage, reverse) and not doubtful_shots(montage, reverse):
            asked[reverse] = None
    figures = {"reverse_queries": float(len(asked))}
    for name, on in (("frames", False), ("temporal", True)):
        figures[f"reverse_alarms_{name}"] = _mean([bool(library.search(t, k=1, motion=on)) for t in asked])
    return figures


def kind_of(text: str) -> str:
    """``motion``, ``event`` or ``order`` of what is asked; empty for the rest of what may be true."""
    if ", then " in text:
        return "order"
    if not text.endswith(_ASKED) or len(_thing(text).split()) > _BARE:
        return ""
    return "motion" if text.endswith(_DIRECTIONS) else "event"


def right_shots(montage: Montage, text: str) -> set[int]:
    """Shots a text is true of, and that show its things well."""
    return {i for i, s in enumerate(montage.shots) if text in s.happens and _shows(s, text, clear=True)}


def doubtful_shots(montage: Montage, text: str) -> set[int]:
    """Shots that count neither way: the things do not show well, or nothing is said of how they move."""
    out = set()
    for i, shot in enumerate(montage.shots):
        if not _shows(shot, text, clear=False) or i in right_shots(montage, text):
            continue
        said = [t for t in shot.happens if t.endswith(_DIRECTIONS) and _thing(t) == _thing(text)]
        if text in shot.happens or (kind_of(text) == "motion" and not said):
            out.add(i)
    return out


def _first_right(library: Library, montage: Montage, right: dict[str, set[int]], *, motion: bool) -> float:
    first = []
    for text, wanted in right.items():
        found = library.search(text, k=1, motion=motion)
        first.append(bool(found) and montage.at(Path(found[0].video).name, found[0].key.time_s) in wanted)
    return _mean(first)


def _showing(montage: Montage, text: str) -> set[int]:
    return {i for i, shot in enumerate(montage.shots) if _shows(shot, text, clear=True)}


def _shows(shot: Shot, text: str, *, clear: bool) -> bool:
    """Whether a shot shows everything a text is about."""
    read = parse_motion(text)
    things = (text,) if read is None else read.things
    return all(
        any(
            set(thing.split()[1:]) <= set(one.label.split()) and (one.clear or not clear) for one in shot.seen
        )
        for thing in things
    )


def _thing(text: str) -> str:
    read = parse_motion(text)
    return text if read is None else " and ".join(read.things)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")

"""Retrieval of views by texts, and whether a clip is told from itself run backwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.training.temporal.data import View
from seektrack.training.temporal.facts import Fact
from seektrack.training.temporal.texts import say

KINDS = ("object", "motion", "event", "order")
Floats = NDArray[np.float32]


def retrieval(views: Sequence[View], clips: Floats, embed: Callable[[list[str]], Floats]) -> dict[str, float]:
    """R@1 of texts over a pool of clips, by kind, and what guessing would give.

    A text is asked when it is true of a clip of the pool and names category and colour; it is answered right
    by any clip it is true of. A clip it may or may not be true of is left out of its pool.

    Args:
        views: The pool.
        clips: float32 (N, D), their embeddings.
        embed: Embeds texts.

    Returns:
        ``motion_r1``, ``motion_chance``, ``motion_n`` and so on for each kind.
    """
    from seektrack.training.temporal.batches import match_matrix

    asked = list(dict.fromkeys(f for v in views for f in v.facts if f.who[1] is not None))
    figures: dict[str, float] = {}
    matches = match_matrix(list(views), asked)
    similarity = clips @ embed([say(f) for f in asked]).T
    similarity[matches < 0] = -np.inf
    right = matches[similarity.argmax(0), np.arange(len(asked))] == 1
    chance = (matches == 1).sum(0) / np.maximum((matches >= 0).sum(0), 1)
    for kind in KINDS:
        here = np.array([f.kind == kind for f in asked], bool)
        if here.any():
            figures[f"{kind}_r1"] = round(float(right[here].mean()), 4)
            figures[f"{kind}_chance"] = round(float(chance[here].mean()), 4)
            figures[f"{kind}_n"] = int(here.sum())
    return figures


def objects_alone(views: Sequence[View]) -> dict[str, float]:
    """R@1 that naming every object right reaches by itself, without knowing what anything does, by kind.

    Such an encoder picks one of the clips that show whom a text names; what it reaches bounds how many times
    better any other can be. The same texts and pools as in :func:`retrieval`.

    Args:
        views: The pool.
    """
    from seektrack.training.temporal.batches import match_matrix

    asked = list(dict.fromkeys(f for v in views for f in v.facts if f.who[1] is not None))
    matches = match_matrix(list(views), asked)
    shown = [{f.who for f in v.facts if f.kind == "object"} for v in views]
    lucky: dict[str, list[float]] = {}
    for column, fact in enumerate(asked):
        who = {fact.who} | ({fact.then.who} if fact.then is not None else set())
        there = np.array([who <= names for names in shown]) & (matches[:, column] >= 0)
        lucky.setdefault(fact.kind, []).append(float((matches[there, column] == 1).mean()))
    return {f"{kind}_r1_objects": round(float(np.mean(shares)), 4) for kind, shares in lucky.items()}


def told_apart(
    pairs: Sequence[tuple[View, View]],
    forwards: Floats,
    backwards: Floats,
    embed: Callable[[list[str]], Floats],
) -> dict[str, float]:
    """Share of texts that are nearer to the clip they are true of than to the same clip run backwards.

    Only texts that are true one way alone; a clip and its reverse show the same pictures, so whoever looks
    at single pictures is right half of the time.

    Args:
        pairs: Views, forwards and backwards.
        forwards, backwards: float32 (N, D), their embeddings.
        embed: Embeds texts.
    """
    figures: dict[str, float] = {}
    for kind in KINDS[1:]:
        rows: list[int] = []
        asked: list[Fact] = []
        for row, (one, other) in enumerate(pairs):
            lost = [f for f in one.facts if f.kind == kind and f.who[1] and f not in other.facts]
            rows += [row] * len(lost)
            asked += lost
        if rows:
            texts = embed([say(f) for f in asked])
            there, back = ((v[rows] * texts).sum(1) for v in (forwards, backwards))
            figures[f"{kind}_direction"] = round(
                float((there > back).mean() + 0.5 * (there == back).mean()), 4
            )
    return figures


def words_apart(
    views: Sequence[View], clips: Floats, embed: Callable[[list[str]], Floats]
) -> dict[str, float]:
    """Share of true texts that are nearer to their clip than the same text saying the reverse.

    ``a red car moving left`` against ``a red car moving right``, or two events in the other order; only where
    the reverse is not true as well.

    Args:
        views: The clips.
        clips: float32 (N, D), their embeddings.
        embed: Embeds texts.
    """
    figures: dict[str, float] = {}
    for kind in KINDS[1:]:
        rows: list[int] = []
        said: list[str] = []
        reverse: list[str] = []
        for row, one in enumerate(views):
            for fact in one.facts:
                opposite = fact.opposite()
                if fact.kind == kind and fact.who[1] and opposite is not None and opposite not in one.facts:
                    rows.append(row)
                    said.append(say(fact))
                    reverse.append(say(opposite))
        if rows:
            right, wrong = ((clips[rows] * embed(texts)).sum(1) for texts in (said, reverse))
            figures[f"{kind}_words"] = round(float((right > wrong).mean() + 0.5 * (right == wrong).mean()), 4)
    return figures

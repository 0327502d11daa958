"""Batches of views and texts, drawn from the step's number alone, so that a resumed run draws the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.training.temporal.data import Features, View
from seektrack.training.temporal.facts import Fact
from seektrack.training.temporal.recipe import TemporalRecipe
from seektrack.training.temporal.texts import vary

_WEIGHT = {"object": 0.5, "motion": 1.0, "event": 1.0, "order": 2.0}
_OPPOSITES = {"object": 0.0, "motion": 0.3, "event": 0.3, "order": 1.0}
"""Chance that the reverse of an asked text is asked too, as a text to be refused."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Views, texts, and which is true of which.

    Attributes:
        features: float16 (B, T, G, G, C).
        texts: Q texts.
        matches: float32 (B, Q): 1 true, 0 false, -1 where nobody can tell.
        reverses: int (R, 3): a view, a text true of it, and the same text saying the reverse.
    """

    features: NDArray[np.float16]
    texts: list[str]
    matches: NDArray[np.float32]
    reverses: NDArray[np.int64]


def draw(data: Features, recipe: TemporalRecipe, step: int) -> Batch:
    """The batch of a step: half of the clips are the other half run backwards."""
    rng = np.random.default_rng((recipe.seed, 5, step))
    views: list[View] = []
    for clip in rng.choice(len(data), recipe.batch // 2, replace=False):
        options = data.views[int(clip)]
        pair = int(rng.integers(len(options) // 2))
        views += options[2 * pair : 2 * pair + 2]
    asked = ask(views, recipe.texts, rng)
    texts = [vary(fact, rng, translated=recipe.translated, paraphrased=recipe.paraphrased) for fact in asked]
    features = [shifted(data.of(v), *rng.integers(-recipe.shift, recipe.shift + 1, 2)) for v in views]
    matches = match_matrix(views, asked)
    return Batch(np.stack(features), texts, matches, reverses(asked, matches))


def shifted(features: NDArray[np.float16], rows: int, columns: int) -> NDArray[np.float16]:
    """Features (T, G, G, C) moved by some patches; what comes in at the edges repeats what was there."""
    side = features.shape[1]
    down, across = (np.clip(np.arange(side) - by, 0, side - 1) for by in (rows, columns))
    return features[:, down][:, :, across]


def ask(views: list[View], count: int, rng: np.random.Generator) -> list[Fact]:
    """Facts to ask for: ``count`` of each view, and the reverse of some."""
    asked: dict[Fact, None] = {}
    for view in views:
        if view.facts:
            weight = np.array([_WEIGHT[f.kind] for f in view.facts])
            chosen = rng.choice(
                len(view.facts), min(count, len(view.facts)), replace=False, p=weight / weight.sum()
            )
            for fact in (view.facts[int(i)] for i in chosen):
                asked[fact] = None
                opposite = fact.opposite()
                if opposite is not None and rng.random() < _OPPOSITES[fact.kind]:
                    asked[opposite] = None
    return list(asked)


def match_matrix(views: list[View], asked: list[Fact]) -> NDArray[np.float32]:
    """Which view a fact is true of, float32 (B, Q): 1, 0, or -1.

    Nobody can tell where an object is there and the truth has no word for its motion.
    """
    matches = np.zeros((len(views), len(asked)), np.float32)
    for row, view in enumerate(views):
        true = set(view.facts)
        told = {f.who for f in view.facts if f.kind == "motion"}
        vague = {f.who for f in view.facts if f.kind == "object"} - told
        for column, fact in enumerate(asked):
            if fact in true:
                matches[row, column] = 1
            elif fact.kind == "motion" and fact.who in vague:
                matches[row, column] = -1
    return matches


def reverses(asked: list[Fact], matches: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where a text is true of a view and its reverse, asked too, is not."""
    column = {fact: i for i, fact in enumerate(asked)}
    pairs = [(i, column[o]) for i, f in enumerate(asked) if (o := f.opposite()) is not None and o in column]
    found = [
        (row, i, j) for i, j in pairs for row in np.flatnonzero((matches[:, i] == 1) & (matches[:, j] == 0))
    ]
    return np.array(found, np.int64).reshape(-1, 3)

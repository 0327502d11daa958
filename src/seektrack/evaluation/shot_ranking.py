"""How a library ranks the shots of edited footage under a set of texts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from seektrack.evaluation.montage import Montage
from seektrack.metrics.retrieval import RetrievalScores, evaluate
from seektrack.pipeline import Library
from seektrack.pipeline.asking import Only
from seektrack.world import vocabulary

EVERYTHING = 1_000_000
Figures = dict[str, float]
Key = TypeVar("Key", bound=Hashable)


def answerable(montage: Montage) -> list[str]:
    """Names that some shot shows well, in order of the vocabulary."""
    shown = {one.label for shot in montage.shots for one in shot.seen if one.clear}
    return [label for label in vocabulary()["labels"] if label in shown]


def shots_showing(montage: Montage, label: str) -> set[int]:
    """Numbers of the shots that show a name well."""
    return {i for i, shot in enumerate(montage.shots) if shot.shows(label)}


def glimpses(montage: Montage, label: str) -> set[int]:
    """Numbers of the shots that show a name, but not well: they count neither way."""
    return {i for i, shot in enumerate(montage.shots) if label in shot.labels and not shot.shows(label)}


def ranking_figures(
    prefix: str,
    library: Library,
    montage: Montage,
    texts: Mapping[Key, str],
    wanted: Mapping[Key, set[int]],
    doubtful: Mapping[Key, set[int]],
    *,
    only: Only | None = None,
) -> Figures:
    """Figures of the ranking of all shots under each text."""
    scores = {key: shot_scores(library, montage, text, only=only) for key, text in texts.items()}
    return figures_of(prefix, scores, wanted, doubtful)


def figures_of(
    prefix: str,
    scores: Mapping[Key, Mapping[int, float]],
    wanted: Mapping[Key, set[int]],
    doubtful: Mapping[Key, set[int]],
) -> Figures:
    """Share of texts whose best shot is right, P@5, mAP and MRR; doubtful shots are taken out first."""
    kept = {
        key: {i: s for i, s in of_shot.items() if i not in doubtful.get(key, set())}
        for key, of_shot in scores.items()
    }
    first = [max(k, key=lambda i: k[i], default=-1) in wanted[key] for key, k in kept.items()]
    result: RetrievalScores = evaluate(kept, {key: wanted[key] for key in kept}, ks=(5,))
    return {
        f"{prefix}_r1": float(np.mean(first)) if first else float("nan"),
        f"{prefix}_p5": result.precision_at[5],
        f"{prefix}_map": result.mean_average_precision,
        f"{prefix}_mrr": result.mean_reciprocal_rank,
    }


def moment_figures(
    prefix: str,
    library: Library,
    montage: Montage,
    texts: Mapping[Key, str],
    wanted: Mapping[Key, set[int]],
) -> Figures:
    """Share of texts whose first moment, or one of whose first five, is right."""
    first, five = [], []
    for key, text in texts.items():
        found = library.search(text, k=5)
        right = [montage.at(Path(m.video).name, m.key.time_s) in wanted[key] for m in found]
        first.append(bool(right) and right[0])
        five.append(any(right))
    return {
        f"{prefix}_moment_r1": float(np.mean(first)) if first else float("nan"),
        f"{prefix}_moment_r5": float(np.mean(five)) if five else float("nan"),
    }


def shot_scores(
    library: Library, montage: Montage, text: str, *, only: Only | None = None, motion: bool = True
) -> dict[int, float]:
    """Belief in the best picture of each shot; ties by cosine."""
    out: dict[int, float] = {}
    for hit in library.hits(text, k=EVERYTHING, min_confidence=0.0, only=only, motion=motion):
        shot = montage.at(Path(hit.video).name, hit.time_s)
        if shot is not None:
            out[shot] = max(out.get(shot, -1.0), hit.confidence + 1e-4 * hit.score)
    return out

"""Two encoders on the same things: what one does better, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seektrack.evaluation.captions.material import Asked
from seektrack.metrics import Rankings

Floats = NDArray[np.float64]
RESAMPLES = 9999


def compare(
    first: Mapping[str, Rankings], other: Mapping[str, Rankings], asked: Asked
) -> dict[str, dict[str, dict[str, float]]]:
    """Paired tests of R@1, mAP and MRR, for each direction.

    What is drawn at random are things, pictures or videos: their several texts are no independent witnesses,
    so each thing counts once, with the mean of its texts.

    Args:
        first, other: Rankings by direction.
        asked: Whose texts are whose.

    Returns:
        By direction and figure: ``difference`` (other less first, mean over things), ``low`` and ``high`` of
        its 95 % interval (bootstrap), and ``p``, that of a difference as large by chance alone (a permutation
        test that turns the sign of each thing's difference).
    """
    out: dict[str, dict[str, dict[str, float]]] = {}
    for way, one in first.items():
        two = other[way]
        by_text = way == "text_to_image"
        values = {
            "R@1": (one.hit_at(1), two.hit_at(1)),
            "mAP": (one.ap_Q, two.ap_Q),
            "MRR": (one.reciprocal_rank_Q, two.reciprocal_rank_Q),
        }
        out[way] = {
            name: paired(_by_thing(b - a, asked) if by_text else b - a) for name, (a, b) in values.items()
        }
    return out


def paired(differences: Floats) -> dict[str, float]:
    """Whether the mean of paired differences (N,) is other than 0 by more than chance."""
    from scipy.stats import bootstrap, permutation_test

    d = np.asarray(differences, np.float64)
    mean = float(d.mean())
    if len(d) < 2 or not d.any():
        return {"difference": mean, "low": mean, "high": mean, "p": 1.0}
    rng = np.random.default_rng(0)
    batch = max(1, 2_000_000 // len(d))
    # Things on which both are alike change no sum, whichever sign they bear.
    moved = d[d != 0]
    tested = permutation_test(
        (moved,), np.sum, permutation_type="samples", n_resamples=RESAMPLES, batch=batch, rng=rng,
        vectorized=True,
    )  # fmt: skip
    interval = bootstrap((d,), np.mean, method="percentile", batch=batch, n_resamples=1999, rng=rng)
    low, high = interval.confidence_interval
    found = {"difference": mean, "low": float(low), "high": float(high), "p": float(tested.pvalue)}
    return {name: round(value, 4) for name, value in found.items()}


def _by_thing(values: Floats, asked: Asked) -> Floats:
    """Means (N,) over the texts of each thing."""
    return np.array([values[own].mean() for own in asked.texts_of])

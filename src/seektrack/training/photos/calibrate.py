"""How sure the names of photographs may be taken to be: one factor, fitted on tiles held out of training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCALES = np.geomspace(4, 60, 80)


def fitted_scale(
    cosines: NDArray[np.floating], truth: NDArray[np.intp], *, silent: NDArray[np.bool_]
) -> float:
    """The factor from cosines to logits that makes the right answers likeliest (Guo et al., 2017).

    Args:
        cosines: (N, K + M), pictures against names and backgrounds.
        truth: int (N,), the right name, negative where any background is right.
        silent: bool (N, K), names that do not compete, being true as well.
    """
    k = silent.shape[1]
    barred = np.pad(silent, ((0, 0), (0, cosines.shape[1] - k)))
    losses = [_loss(scale * np.asarray(cosines, np.float64), truth, barred, k) for scale in SCALES]
    return float(SCALES[int(np.argmin(losses))])


def _loss(logits: NDArray[np.float64], truth: NDArray[np.intp], barred: NDArray[np.bool_], k: int) -> float:
    logits = np.where(barred, -1e4, logits)
    logits = logits - logits.max(1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    named = truth >= 0
    right = np.concatenate([p[named, truth[named]], p[~named, k:].sum(1)])
    return float(-np.log(np.maximum(right, 1e-12)).mean())

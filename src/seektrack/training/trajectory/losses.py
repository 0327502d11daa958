"""What a predictor is surprised by."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def surprise(centre: Tensor, spread: Tensor, target: Tensor, counts: Tensor | None = None) -> Tensor:
    """Mean negative log-likelihood of the target under Student's t with four degrees of freedom, per number.

    Its heavy tails let an object turn round without dragging all predictions to the middle; ``spread`` is
    the logarithm of the scale times the root of 2, which is the standard deviation. ``counts`` is 0 where
    the truth is not known.
    """
    freedom = 4.0
    scale = spread - 0.5 * float(np.log(freedom / (freedom - 2)))
    off = (target - centre) * torch.exp(-scale)
    each = scale + 0.5 * (freedom + 1) * torch.log1p(off**2 / freedom)
    if counts is None:
        return each.mean()
    return (each.mean(-1) * counts).sum() / counts.sum().clamp(min=1)

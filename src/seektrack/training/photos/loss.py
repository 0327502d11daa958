"""What a picture is asked for: its name, or what that is a kind of, against all that it is not."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seektrack.training.photos.samples import UNNAMED


class Asking:
    """Chooses what each picture of a batch is asked for.

    Args:
        kind_of: bool (K, K), whether the concept of a row is a kind of that of a column, or is it.
        kinds: Chance to be asked for a kind instead of the name.
    """

    def __init__(self, kind_of: NDArray[np.bool_], *, kinds: float) -> None:
        self.kind_of, self.kinds = kind_of, kinds
        self._above = [
            np.flatnonzero(row & ~np.eye(len(row), dtype=bool)[i]) for i, row in enumerate(kind_of)
        ]

    def __call__(
        self, numbers: NDArray[np.intp], rng: np.random.Generator
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Targets (B,), negative without a name, and what does not compete with them, bool (B, K).

        Of a dog neither "animal" nor a breed competes with "dog": the first is true as well, the second may
        be. Breeds do compete half of the time, so that a name that is said plainly comes first.
        """
        targets = numbers.copy()
        silent = np.zeros((len(numbers), len(self.kind_of)), bool)
        for i, number in enumerate(numbers):
            if number == UNNAMED:
                continue
            silent[i] = self.kind_of[number]
            above = self._above[number]
            asked_kind = bool(len(above)) and rng.random() < self.kinds
            if asked_kind:
                targets[i] = above[int(rng.integers(len(above)))]
            if asked_kind or rng.random() < 0.5:
                silent[i] |= self.kind_of[:, number]
            silent[i, targets[i]] = False
        return targets, silent


def naming_loss(
    logits: Tensor, targets: Tensor, silent: Tensor, *, smoothing: float, doubt: float = 0.0
) -> Tensor:
    """Cross-entropy over all names; a picture without a name may be any of the backgrounds.

    Args:
        logits: (B, K + M), the last M those of the backgrounds.
        targets: int (B,), negative without a name.
        silent: bool (B, K), names that do not compete.
        smoothing: Share of the answer spread over all that compete.
        doubt: How little a picture without a name counts that looks as if it had one, for some have: the
            exponent of the generalised cross-entropy (Zhang and Sabuncu, 2018); 0 for the plain one.
    """
    k = silent.shape[1]
    off = F.pad(silent, (0, logits.shape[1] - k))
    log_p = F.log_softmax(logits.masked_fill(off, -1e4), 1)
    named = targets >= 0
    none = torch.logsumexp(log_p[~named][:, k:], 1)
    refused = (-torch.expm1(doubt * none) / doubt if doubt else -none).sum()
    mine, competing = log_p[named], ~off[named]
    right = F.nll_loss(mine, targets[named], reduction="sum")
    spread = -(mine * competing).sum(1) / competing.sum(1)
    return (refused + (1 - smoothing) * right + smoothing * spread.sum()) / max(1, len(targets))

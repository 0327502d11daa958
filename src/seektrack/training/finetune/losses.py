"""Losses of fine-tuning: weighted InfoNCE of each direction, alignment of pairs, and their balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    logits: Tensor, matches: Tensor, weights: Tensor, others: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Weighted InfoNCE of both directions, each with any number of right answers of equal share.

    With weights of 1 their mean is :func:`seektrack.training.clip.losses.matching_loss`.

    Args:
        logits: (B, B), image rows against text columns, pair by pair.
        matches: (B, B), 1 where they match; every row and column holds at least its own pair.
        weights: (B,), how much each pair counts as a question.
        others: (B, E), image rows against texts that are true of none of them.

    Returns:
        Images asked for their texts, texts asked for their images: scalars.
    """
    matches = matches.to(logits.dtype)
    asked = logits if others is None else torch.cat([logits, others], 1)
    to_text = -(F.log_softmax(asked, 1)[:, : logits.shape[1]] * matches).sum(1) / matches.sum(1)
    to_image = -(F.log_softmax(logits, 0) * matches).sum(0) / matches.sum(0)
    total = weights.sum().clamp(min=1e-12)
    return (to_text * weights).sum() / total, (to_image * weights).sum() / total


def alignment_loss(images: Tensor, texts: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean squared distance of pairs of unit vectors (B, D), pair by pair; between 0 and 4."""
    return ((images - texts).square().sum(1) * weights).sum() / weights.sum().clamp(min=1e-12)


class GradientBalancer:
    """Weights of several losses under which each pulls equally hard.

    GradNorm (Chen et al., ICML 2018), simplified in three ways: the gradient is measured at the embeddings,
    where the losses meet, instead of at the last shared layer (as Sener & Koltun do, NeurIPS 2018), which
    costs no pass through the towers; the weights that give equal norms are computed instead of learnt, and
    approached by a running mean; and they are kept within a factor of 100 of each other.

    Args:
        names: Of the losses.
        restoring: How much harder a loss pulls that has fallen less than the others; 0 for equally hard.
        momentum: Of the running mean.
    """

    def __init__(self, names: Sequence[str], *, restoring: float = 0.5, momentum: float = 0.9) -> None:
        self.restoring, self.momentum = restoring, momentum
        self.weights = dict.fromkeys(names, 1.0)
        self._first: dict[str, float] = {}

    def update(self, losses: Mapping[str, Tensor], shared: Sequence[Tensor]) -> dict[str, float]:
        """Measure the losses' gradients at ``shared`` and move the weights; their mean stays 1.

        Args:
            losses: Scalars by name, with a graph that is kept.
            shared: Tensors they all depend on; those that need no gradient are left out.

        Returns:
            The weights by name.
        """
        leaves = [tensor for tensor in shared if tensor.requires_grad]
        norms: dict[str, float] = {}
        for name, loss in losses.items():
            grads = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
            squares = [g.float().square().sum() for g in grads if g is not None]
            norms[name] = float(torch.stack(squares).sum().sqrt()) if squares else 0.0
            self._first.setdefault(name, max(float(loss.detach()), 1e-8))
        left = {name: max(float(loss.detach()), 1e-8) / self._first[name] for name, loss in losses.items()}
        mean_left = sum(left.values()) / len(left)
        largest = max(norms.values())
        if largest <= 0:
            return dict(self.weights)
        wanted = {
            name: (left[name] / mean_left) ** self.restoring / max(norms[name], largest / 100)
            for name in losses
        }
        scale = len(wanted) / sum(wanted.values())
        for name, weight in wanted.items():
            self.weights[name] = self.momentum * self.weights[name] + (1 - self.momentum) * weight * scale
        return dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"weights": dict(self.weights), "first": dict(self._first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.weights, self._first = dict(state["weights"]), dict(state["first"])

"""What is asked beside matching: to tell a clip from itself run backwards, and a text from its reverse."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def backwards_loss(logits: Tensor, matches: Tensor) -> Tensor:
    """How little a true text prefers its clip to the same clip run backwards.

    Matching alone teaches this late: as long as many clips are taken for each other, the reverse is only one
    of them.

    Args:
        logits: (B, Q); clip 2k + 1 is clip 2k run backwards.
        matches: (B, Q), 1 where a text is true, 0 where it is false.

    Returns:
        Mean logistic loss over the texts that are true one way alone; 0 without any.
    """
    margin, truth = logits[0::2] - logits[1::2], matches[0::2] - matches[1::2]
    sure = (matches[0::2] >= 0) & (matches[1::2] >= 0) & (truth != 0)
    if not bool(sure.any()):
        return logits.sum() * 0
    return F.softplus(-(margin * truth)[sure]).mean()


def reverse_loss(logits: Tensor, reverses: Tensor) -> Tensor:
    """How little a clip prefers a true text to the same text saying the reverse.

    Args:
        logits: (B, Q).
        reverses: int (R, 3), row, column of the true text, column of the false one.
    """
    if len(reverses) == 0:
        return logits.sum() * 0
    row, right, wrong = reverses.unbind(1)
    return F.softplus(logits[row, wrong] - logits[row, right]).mean()

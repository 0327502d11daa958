"""Losses of the pocket CLIP: in-batch matching with many right answers, and the vocabulary as classifier."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from seektrack.training.clip.matching import REJECT
from seektrack.training.clip.names import COLOUR_NAMES, N_PLAIN

N_COLOURS = len(COLOUR_NAMES)


def matching_loss(logits: Tensor, matches: Tensor) -> Tensor:
    """Symmetric InfoNCE with any number of right answers, each meant to get a share by how right it is.

    Args:
        logits: (B, T), image rows against text columns.
        matches: (B, T), above 0 where they match, most where they match best; below 0 where nobody can tell,
            which counts neither as right nor as wrong. A row or column that matches nothing gives no target
            of its own but stays a wrong answer for the others.
    """
    logits = logits.masked_fill(matches < 0, -1e4)
    matches = matches.clamp(min=0)
    rows, columns = matches.sum(1), matches.sum(0)
    to_text = -(F.log_softmax(logits, 1) * matches).sum(1) / rows.where(rows > 0, 1)
    to_image = -(F.log_softmax(logits, 0) * matches).sum(0) / columns.where(columns > 0, 1)
    return (
        to_text.sum() / (rows > 0).sum().clamp(min=1) + to_image.sum() / (columns > 0).sum().clamp(min=1)
    ) / 2


def vocabulary_loss(
    logits: Tensor, labels: Tensor, n_background: int, *, n_categories: int = N_PLAIN
) -> Tensor:
    """Cross-entropy of crops over the bank of :func:`seektrack.training.clip.texts.bank`.

    A named object should be its label among labels and background; an object that has no name, or no object
    at all, should be any of the background texts, whichever. Category and colour are also asked for alone.

    Args:
        logits: (B, 9 n_categories + n_background + n_categories + 9).
        labels: (B,), category × colour number, negative where the crop must be refused.
        n_background: Background texts in the bank.
        n_categories: Categories in the bank.
    """
    n_labels = n_categories * N_COLOURS
    joint, categories, colours = torch.split(
        logits, [n_labels + n_background, n_categories, N_COLOURS], dim=1
    )
    named = labels >= 0
    log_joint = F.log_softmax(joint, 1)
    refused = -torch.logsumexp(log_joint[~named, n_labels:], 1).sum()
    right = F.nll_loss(log_joint[named], labels[named], reduction="sum")
    loss = (refused + right) / max(1, len(labels))
    if bool(named.any()):
        background = joint[:, n_labels:]
        with_background = torch.cat([categories, background], 1)
        category = F.cross_entropy(with_background[named], labels[named] // N_COLOURS)
        colour = F.cross_entropy(colours[named], labels[named] % N_COLOURS)
        loss = loss + 0.5 * category + 0.25 * colour
    return loss


def either_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Cross-entropy of crops that may rightly be called several things: any of them will do.

    Minus the log of the probability all right answers have together (Jin and Ghahramani, Learning with
    Multiple Labels, 2002).

    Args:
        logits: (B, L + n_background + ...); of the bank, the L labels and the background are used.
        allowed: bool (B, L + n_background), at least one in every row.
    """
    log_joint = F.log_softmax(logits[:, : allowed.shape[1]], 1)
    return -torch.logsumexp(log_joint.masked_fill(~allowed, -torch.inf), 1).mean()


def dense_loss(logits: Tensor, labels: Tensor, *, n_labels: int, n_background: int) -> Tensor:
    """Cross-entropy of the patches of whole frames: those with an object and those without weigh the same.

    Args:
        logits: (N, n_labels + n_background + ...); of the bank, the labels and the background are used.
        labels: int (N,), a label's number, ``REJECT`` for what must be refused, ``NO_LABEL`` to be left out.
    """
    log_joint = F.log_softmax(logits[:, : n_labels + n_background], 1)
    named, refused = labels >= 0, labels == REJECT
    loss = F.nll_loss(log_joint[named], labels[named], reduction="sum") / named.sum().clamp(min=1)
    nothing = -torch.logsumexp(log_joint[refused][:, n_labels:], 1).sum()
    return (loss + nothing / refused.sum().clamp(min=1)) / 2


def shared_loss(logits: Tensor, present: Tensor) -> Tensor:
    """Cross-entropy of scenes over the labels: each label a scene shows should get an equal share.

    Args:
        logits: (B, L + n_background + ...); of the bank, the labels and the background are used.
        present: bool (B, L + n_background); a row without any is left out.
    """
    wanted = present.to(logits.dtype)
    count = wanted.sum(1)
    log_joint = F.log_softmax(logits[:, : present.shape[1]], 1)
    loss = -(log_joint * wanted).sum(1) / count.clamp(min=1)
    return loss.sum() / (count > 0).sum().clamp(min=1)

"""Retrieval on the held-out pairs: does a picture find its text, a text its picture."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from seektrack.training.finetune.batches import match_matrix
from seektrack.training.finetune.data import Pairs, distinct_texts, load_picture, pair_at
from seektrack.training.finetune.towers import Towers


class Validator:
    """R@1 in both directions over held-out pictures and their distinct captions.

    A picture is answered when any of its captions comes first, a caption when any of its pictures does.

    Args:
        pairs: All of them.
        held_out: Numbers of those to measure on.
    """

    def __init__(self, pairs: Pairs, held_out: NDArray[np.intp]) -> None:
        self.pairs, self.held_out = pairs, held_out
        captions = [pair_at(pairs, int(i)).texts for i in held_out]
        self.texts = distinct_texts(text for of_one in captions for text in of_one)
        self.matches = match_matrix(captions, self.texts)

    @torch.no_grad()
    def __call__(self, towers: Towers, *, batch: int = 64) -> dict[str, float]:
        """Shares in [0, 1]: ``r1`` is the mean of ``image_r1`` (text→image) and ``text_r1`` (image→text).

        ``margin``, a difference of cosines, tells apart those that are equal in these.
        """
        towers.eval()
        images, texts = [], []
        for i in range(0, len(self.held_out), batch):
            chosen = self.held_out[i : i + batch]
            pictures = [load_picture(pair_at(self.pairs, int(j)).image) for j in chosen]
            images.append(towers.embed_images(pictures))
        for i in range(0, len(self.texts), batch):
            texts.append(towers.embed_texts(self.texts[i : i + batch]))
        cosines = (torch.cat(images) @ torch.cat(texts).T).cpu().numpy()
        text_r1, image_r1 = recall_at_1(cosines, self.matches)
        figures = {"r1": round((text_r1 + image_r1) / 2, 4), "text_r1": text_r1, "image_r1": image_r1}
        return figures | {"margin": margin(cosines, self.matches)}


def recall_at_1(cosines: NDArray[np.float32], matches: NDArray[np.float32]) -> tuple[float, float]:
    """Share of rows, and of columns, of (N, M) whose highest value lies on a match."""
    rows, columns = np.arange(cosines.shape[0]), np.arange(cosines.shape[1])
    by_row = float(matches[rows, cosines.argmax(1)].mean())
    by_column = float(matches[cosines.argmax(0), columns].mean())
    return round(by_row, 4), round(by_column, 4)


def margin(cosines: NDArray[np.float32], matches: NDArray[np.float32]) -> float:
    """By how much a picture (row) is nearer its own text than the nearest other; 0 where there is none."""
    right = np.where(matches > 0, cosines, -np.inf).max(1)
    wrong = np.where(matches > 0, -np.inf, cosines).max(1)
    known = np.isfinite(wrong)
    return round(float((right - wrong)[known].mean()), 4) if known.any() else 0.0

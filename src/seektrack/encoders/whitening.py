"""Embeddings made rounder after the fact: centring, principal components, whitening.

Pictures and texts of a contrastive model lie in two narrow cones (the modality gap of Liang et al., 2022),
and a few directions carry most of the variance, so cosines of everything with everything are alike. Taking
each kind's own mean away, and dividing each principal direction by its spread, tells them apart better (Su et
al., 2021, "Whitening sentence representations"); fewer dimensions make the vectors smaller too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders.base import l2_normalise
from seektrack.errors import InputError

FIT_ROWS = 50_000


@dataclass(frozen=True, eq=False)
class Whitening:
    """A map of D-long embeddings to K-long ones, fitted to pictures.

    Attributes:
        image_mean, text_mean: float32 (D,), taken away from pictures and from texts.
        matrix: float32 (D, K), applied to what is left.
    """

    image_mean: NDArray[np.float32]
    text_mean: NDArray[np.float32]
    matrix: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        images: NDArray[np.floating],
        texts: NDArray[np.floating] | None = None,
        *,
        dim: int | None = None,
        power: float = 1.0,
    ) -> Whitening:
        """Fit to embeddings.

        Args:
            images: (N, D) of pictures, at least 2; of more than `FIT_ROWS` an even sample is used.
            texts: (M, D) of texts, for their mean; that of the pictures when None.
            dim: Principal directions to keep, K; all that carry variance when None.
            power: 0 centres and turns only, 1 whitens fully, between them is milder.

        Raises:
            InputError: Too few rows, or ``dim`` or ``power`` out of range.
        """
        if images.ndim != 2 or len(images) < 2:
            raise InputError(f"whitening is fitted to at least 2 embeddings (N, D), got {images.shape}")
        if not 0 <= power <= 1:
            raise InputError(f"power must be from 0 (centring) to 1 (whitening), got {power}")
        n, width = images.shape
        if dim is not None and not 1 <= dim <= min(n - 1, width):
            raise InputError(f"dim must be from 1 to {min(n - 1, width)} here, got {dim}")
        rows = np.asarray(images[:: -(-n // FIT_ROWS)], dtype=np.float64)
        mean = rows.mean(axis=0)
        values, directions = np.linalg.eigh(np.atleast_2d(np.cov(rows - mean, rowvar=False)))
        order = np.argsort(values)[::-1]
        values, directions = values[order], directions[:, order]
        kept = dim or max(1, int((values > 1e-7 * values[0]).sum()))
        scale = np.maximum(values[:kept], 1e-12) ** (-power / 2)
        text_mean = mean if texts is None or not len(texts) else np.asarray(texts, np.float64).mean(axis=0)
        return cls(
            mean.astype(np.float32),
            text_mean.astype(np.float32),
            (directions[:, :kept] * scale).astype(np.float32),
        )

    def images(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map picture embeddings (N, D) to float32 (N, K) of unit length."""
        return l2_normalise((np.asarray(vectors, dtype=np.float32) - self.image_mean) @ self.matrix)

    def texts(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map text embeddings (N, D), or one (D,), to float32 of unit length."""
        return l2_normalise((np.asarray(vectors, dtype=np.float32) - self.text_mean) @ self.matrix)

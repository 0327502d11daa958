"""How an object looks: a small gallery of embeddings of one kind, which does not grow with the video."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Appearance:
    """Running mean and a few exemplars of an object's embeddings.

    Attributes:
        capacity: Exemplars kept; a new one replaces the most redundant.
        exemplars: Unit vectors (D,).
        total: Sum of all unit vectors seen.
        count: How many were seen.
    """

    capacity: int = 6
    exemplars: list[NDArray[np.float32]] = field(default_factory=list)
    total: NDArray[np.float64] | None = None
    count: int = 0

    def add(self, embedding: NDArray[np.floating]) -> None:
        """Take in one embedding of the object."""
        unit = (embedding / max(float(np.linalg.norm(embedding)), 1e-12)).astype(np.float32)
        self.total = unit.astype(np.float64) if self.total is None else self.total + unit
        self.count += 1
        self.exemplars.append(unit)
        if len(self.exemplars) > self.capacity:
            similarity = np.stack(self.exemplars) @ np.stack(self.exemplars).T - np.eye(len(self.exemplars))
            a, b = np.unravel_index(int(similarity.argmax()), similarity.shape)
            del self.exemplars[int(min(a, b))]

    @property
    def mean(self) -> NDArray[np.float32] | None:
        """Unit mean embedding (D,), or None before the first."""
        if self.total is None:
            return None
        return (self.total / max(float(np.linalg.norm(self.total)), 1e-12)).astype(np.float32)

    @property
    def gallery(self) -> NDArray[np.float32] | None:
        """Exemplars and mean stacked (E, D), or None before the first embedding."""
        mean = self.mean
        return None if mean is None else np.stack([*self.exemplars, mean])

    def similarity(self, embedding: NDArray[np.floating]) -> float | None:
        """Best cosine similarity with the gallery, or None before the first embedding."""
        gallery = self.gallery
        if gallery is None:
            return None
        return float((gallery @ embedding).max() / max(float(np.linalg.norm(embedding)), 1e-12))

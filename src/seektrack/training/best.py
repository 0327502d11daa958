"""Early stopping: the weights that measured best so far, and when to stop waiting for better ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor


class Best:
    """The best measurement of a training, the weights it was made on, and how many were worse since.

    Args:
        figure: Name of the figure that counts, higher being better.
        patience: Measurements without a better one before it is enough; 0 is never enough.
        tie: Name of the figure that decides between equals; the earlier is kept without one.
    """

    def __init__(self, figure: str, *, patience: int, tie: str | None = None) -> None:
        self.figure, self.patience, self.tie = figure, patience, tie
        self.before: dict[str, float] = {}
        self.figures: dict[str, float] = {}
        self.weights: dict[str, Tensor] = {}
        self.worse = 0

    def judge(
        self, figures: Mapping[str, float], step: int, weights: Callable[[], dict[str, Tensor]]
    ) -> None:
        """Take note of a measurement; the first is what the training started from.

        Args:
            figures: What was measured.
            step: Steps taken.
            weights: Gives copies of the weights measured; asked only where they are the best.
        """
        self.before = self.before or dict(figures)
        if not self.figures or self._rank(figures) > self._rank(self.figures):
            self.figures, self.worse = {**figures, "best_step": step}, 0
            self.weights = weights()
        else:
            self.worse += 1

    def _rank(self, figures: Mapping[str, float]) -> tuple[float, float]:
        return figures[self.figure], figures.get(self.tie, 0.0) if self.tie else 0.0

    @property
    def enough(self) -> bool:
        """Whether better weights were waited for in vain."""
        return 0 < self.patience <= self.worse

    def summary(self) -> dict[str, float]:
        """The best figures, their step and the first figure; nothing where nothing was measured."""
        if not self.before:
            return {}
        return {f"{self.figure}_before": self.before[self.figure], **self.figures}

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "before": self.before, "best": self.figures, "best_state": self.weights, "worse": self.worse
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.before, self.figures = state["before"], state["best"]
        self.weights, self.worse = state["best_state"], state["worse"]

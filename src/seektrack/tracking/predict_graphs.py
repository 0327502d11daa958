"""A network that continues trajectories, run by ONNX Runtime."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints.graphs import Session, read_graphs
from seektrack.errors import ModelError
from seektrack.tracking.predict import History
from seektrack.tracking.trajectory import Floats, Steps, next_steps, read_sizes


class TrajectoryGraphs:
    """Continues trajectories, as ``TrajectoryModel`` does.

    Args:
        folder: Holding the graph.

    Raises:
        ModelError: There is none, or it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._graphs = read_graphs(folder, kind="trajectory")
        try:
            self.sizes = read_sizes(folder)
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(
                f"{folder} cannot be loaded as a trajectory predictor: {error}",
                hint="write the folder again with seektrack train trajectory",
            ) from error

    @cached_property
    def _session(self) -> Session:
        return Session(self._graphs, "trajectory", threads=1)

    def predict(self, history: History) -> Steps:
        """The next K steps of objects, in pixels."""

        def run(steps: NDArray[np.float32]) -> tuple[Floats, Floats]:
            mean, spread = self._session(steps)
            return mean.astype(np.float64), spread.astype(np.float64)

        return next_steps(history, self.sizes, run)

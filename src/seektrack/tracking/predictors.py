"""Predictors by name or folder."""

from __future__ import annotations

from pathlib import Path

from seektrack import defaults
from seektrack.checkpoints import packaged_folder
from seektrack.checkpoints.fingerprints import graphs_fit
from seektrack.checkpoints.runtimes import can_run
from seektrack.errors import ModelError
from seektrack.tracking.predict import LEARNED, PREDICTORS, KalmanPredictor, Predictor


def load_predictor(name: str | Path = defaults.PREDICTOR) -> Predictor:
    """A predictor by name or folder.

    Args:
        name: ``"kalman"``, ``"lstm"``, ``"transformer"``, or a folder that
            ``seektrack train trajectory`` wrote.

    Raises:
        ModelError: There is no such predictor, or its folder cannot be read.
    """
    return KalmanPredictor() if str(name) == "kalman" else _learned(str(name))


def _learned(name: str) -> Predictor:
    from seektrack.tracking.predict_learned import LearnedPredictor

    folder = packaged_folder(f"trajectory/{name}") if name in LEARNED else Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"there is no predictor {name!r}",
            hint=f"choose from {', '.join(PREDICTORS)}, or a folder that seektrack train trajectory wrote",
        )
    if can_run() and graphs_fit(folder):
        from seektrack.tracking.predict_graphs import TrajectoryGraphs

        return LearnedPredictor(TrajectoryGraphs(folder))
    from seektrack.tracking.predict_network import load_trajectory

    return LearnedPredictor(load_trajectory(folder))

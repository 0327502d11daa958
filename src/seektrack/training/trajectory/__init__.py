"""Training of trajectory predictors: trajectories of the world, samples with gaps, loop."""

from seektrack.training.trajectory.data import Trajectories, trajectories
from seektrack.training.trajectory.loop import train_trajectory
from seektrack.training.trajectory.own import ways_of
from seektrack.training.trajectory.recipe import TrajectoryRecipe

__all__ = ["Trajectories", "TrajectoryRecipe", "train_trajectory", "trajectories", "ways_of"]

"""Training of the temporal encoder: scenes, facts and their words, batches, loop."""

from seektrack.training.temporal.loop import train_temporal
from seektrack.training.temporal.recipe import TemporalRecipe, motion_scenes

__all__ = ["TemporalRecipe", "motion_scenes", "train_temporal"]

"""Training of the temporal encoder: scenes, facts and their words, batches, loop."""

from seektrack.training.temporal.loop import train_temporal
from seektrack.training.temporal.moments import world_moments
from seektrack.training.temporal.own import train_moments
from seektrack.training.temporal.recipe import OwnTemporalRecipe, TemporalRecipe, motion_scenes

__all__ = [
    "OwnTemporalRecipe",
    "TemporalRecipe",
    "motion_scenes",
    "train_moments",
    "train_temporal",
    "world_moments",
]

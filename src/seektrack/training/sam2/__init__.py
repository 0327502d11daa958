"""Training the pocket SAM 2 on the world: dense warm-up, decoder, images, clips."""

from seektrack.training.sam2.recipe import (
    RECIPES,
    Sam2Recipe,
    Stage,
    pocket_recipe,
    polish_recipe,
    smoke_recipe,
)
from seektrack.training.sam2.train import Sam2Trainer, train_sam2

__all__ = [
    "RECIPES",
    "Sam2Recipe",
    "Sam2Trainer",
    "Stage",
    "pocket_recipe",
    "polish_recipe",
    "smoke_recipe",
    "train_sam2",
]

"""Training the pocket SAM 2 on the world: dense warm-up, decoder, images, clips."""

from seektrack.training.sam2.recipe import Sam2Recipe, Stage, pocket_recipe, smoke_recipe
from seektrack.training.sam2.train import Sam2Trainer, train_sam2

__all__ = ["Sam2Recipe", "Sam2Trainer", "Stage", "pocket_recipe", "smoke_recipe", "train_sam2"]

"""Training of the pocket CLIP: recipe, texts, rendered pictures, batches, losses, loop."""

from seektrack.training.clip.loop import train_clip
from seektrack.training.clip.recipe import ClipRecipe, ClipSizes

__all__ = ["ClipRecipe", "ClipSizes", "train_clip"]

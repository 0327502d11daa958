"""Teaching the pocket encoder what things look like in photographs."""

from seektrack.training.photos.finishing import POCKET, finish
from seektrack.training.photos.growth import sizes_in
from seektrack.training.photos.loop import train_photos
from seektrack.training.photos.recipe import PhotoRecipe

__all__ = ["POCKET", "PhotoRecipe", "finish", "sizes_in", "train_photos"]

"""Training of the pocket CLIP: recipe, texts, rendered pictures, batches, losses, loop, last stage."""

from seektrack.training.clip.loop import train_clip
from seektrack.training.clip.proposals import ProposalRecipe, proposals_of, train_proposals
from seektrack.training.clip.recipe import ClipRecipe, ClipSizes, mix_recipe, recipe_of

__all__ = [
    "ClipRecipe",
    "ClipSizes",
    "ProposalRecipe",
    "mix_recipe",
    "proposals_of",
    "recipe_of",
    "train_clip",
    "train_proposals",
]

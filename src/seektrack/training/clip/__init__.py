"""Training of the pocket CLIP: recipe, texts, rendered pictures, batches, losses, loop, last stage."""

from seektrack.training.clip.loop import train_clip
from seektrack.training.clip.proposals import ProposalRecipe, train_proposals
from seektrack.training.clip.recipe import ClipRecipe, ClipSizes

__all__ = ["ClipRecipe", "ClipSizes", "ProposalRecipe", "train_clip", "train_proposals"]

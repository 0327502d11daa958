"""Fine-tuning any CLIP-family folder on one's own pictures and captions: recipe, data, losses, loop."""

from seektrack.training.finetune.data import Pairs, PairSet, read_pairs, world_pairs
from seektrack.training.finetune.loop import finetune_clip
from seektrack.training.finetune.recipe import MODES, FinetuneRecipe
from seektrack.training.finetune.teach import teach_names, usual_mode

__all__ = [
    "MODES",
    "FinetuneRecipe",
    "PairSet",
    "Pairs",
    "finetune_clip",
    "read_pairs",
    "teach_names",
    "usual_mode",
    "world_pairs",
]

"""Training SAM 2: the pocket one on the world, from nothing, and any one on clips with masks."""

from seektrack.training.sam2.augment import Augment
from seektrack.training.sam2.finetune import Sam2Finetune
from seektrack.training.sam2.footage import Windows
from seektrack.training.sam2.gate import fit_gate, gate_figures
from seektrack.training.sam2.grow import deepen
from seektrack.training.sam2.losses import LossWeights
from seektrack.training.sam2.mixture import Material, read_material
from seektrack.training.sam2.pair import pair
from seektrack.training.sam2.prompts import PromptMix
from seektrack.training.sam2.recipe import Sam2Recipe, Stage
from seektrack.training.sam2.recipes import (
    CONTINUING,
    RECIPES,
    deepen_recipe,
    follow_recipe,
    pocket_recipe,
    polish_recipe,
    real_recipe,
    smoke_recipe,
    steady_recipe,
)
from seektrack.training.sam2.sources import read_clips
from seektrack.training.sam2.train import Sam2Trainer, train_sam2
from seektrack.training.sam2.tune import tune_sam2
from seektrack.training.sam2.weights import MODES

__all__ = [
    "CONTINUING",
    "MODES",
    "RECIPES",
    "Augment",
    "LossWeights",
    "Material",
    "PromptMix",
    "Sam2Finetune",
    "Sam2Recipe",
    "Sam2Trainer",
    "Stage",
    "Windows",
    "deepen",
    "deepen_recipe",
    "fit_gate",
    "follow_recipe",
    "gate_figures",
    "pair",
    "pocket_recipe",
    "polish_recipe",
    "read_clips",
    "read_material",
    "real_recipe",
    "smoke_recipe",
    "steady_recipe",
    "train_sam2",
    "tune_sam2",
]

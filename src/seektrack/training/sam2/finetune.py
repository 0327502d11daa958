"""What a fine-tuning consists of: which weights move, by which losses and prompts, for how long."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from seektrack.errors import InputError
from seektrack.training.sam2.augment import Augment, footage
from seektrack.training.sam2.footage import Windows
from seektrack.training.sam2.losses import LossWeights
from seektrack.training.sam2.prompts import PromptMix
from seektrack.training.sam2.weights import MODES


@dataclass(frozen=True, kw_only=True)
class Sam2Finetune:
    """A fine-tuning; equal recipes on equal data take equal steps as long as the clock does not end them.

    Attributes:
        mode: What moves, see :class:`seektrack.training.sam2.weights.Weights`.
        rank, alpha: Of the adapters of ``lora``.
        steps: Most steps.
        clips, frames, objects: Clips a group, frames a clip, most objects a clip.
        accumulate: Groups a step, whose gradients are averaged; several processes share them.
        image_share: Share of the steps that take frames as single pictures.
        spoil: Chance of each object to be remembered wrongly for some frames, so that the network learns to
            see through its own mistakes (see :mod:`seektrack.training.sam2.spoil`).
        resolution: Side of the square input; the model's own when None.
        windows: How frames are taken from a clip.
        learning_rate: Peak; None takes what suits the mode and the size of the network.
        scale_rate: Multiply the peak by the root of the groups a step: what suits one group suits a larger
            global batch then, as Adam's noise falls with the root (Malladi et al., arXiv:2205.10287).
        warmup, floor: Steps to the peak, and the share of it left at the end.
        weight_decay: On matrices.
        losses, prompts, augment: As in the pocket recipe.
        min_area: Fewest visible pixels of an object on the first frame, for pictures of 192 x 192.
        decay: Of the running mean of the weights, which is what is measured and written.
        keep: Share of what it started from in the weights that are measured and written, in [0, 1): less of
            the old is forgotten for the new (Wortsman et al., Robust fine-tuning of zero-shot models,
            arXiv:2109.01903). Not with ``lora``.
        bf16: Compute in bfloat16, keep weights in float32.
        quantisation_aware: Simulate eight bits in every step, see :mod:`seektrack.training.eight_bits`;
            J&F is measured without.
        held_out: Share of the clips kept from training to measure J&F on, where none are given.
        max_held_out, held_out_frames: Most clips kept for that, and frames looked at in each.
        measurements: How often to measure, evenly over the training.
        patience: Measurements without a better J&F before stopping; 0 never stops. The best measured weights
            are what is written, the untouched ones included.
        seed: Of the split, the order, the prompts and the augmentation.
    """

    mode: str = "full"
    rank: int = 8
    alpha: int = 16
    steps: int = 2000
    clips: int = 2
    frames: int = 5
    objects: int = 3
    accumulate: int = 1
    image_share: float = 0.3
    spoil: float = 0.0
    resolution: int | None = None
    windows: Windows = field(default_factory=Windows)
    learning_rate: float | None = None
    scale_rate: bool = False
    warmup: int = 30
    floor: float = 0.02
    weight_decay: float = 0.02
    losses: LossWeights = field(default_factory=LossWeights)
    prompts: PromptMix = field(default_factory=PromptMix)
    augment: Augment = field(default_factory=footage)
    min_area: int = 20
    decay: float = 0.99
    keep: float = 0.0
    bf16: bool = False
    quantisation_aware: bool = False
    held_out: float = 0.1
    max_held_out: int = 8
    held_out_frames: int = 16
    measurements: int = 8
    patience: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"unknown recipe {self.mode!r}", hint=f"choose from {', '.join(MODES)}")
        for name in (
            "rank",
            "alpha",
            "steps",
            "clips",
            "objects",
            "accumulate",
            "max_held_out",
            "measurements",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.frames < 2 or self.held_out_frames < 2:
            raise InputError(
                f"clips of {min(self.frames, self.held_out_frames)} frames", hint="take 2 or more"
            )
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {self.learning_rate}")
        for name in ("held_out", "image_share", "spoil", "decay", "floor", "keep"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        if self.keep and self.mode == "lora":
            raise InputError(
                "nothing of the start can be kept with recipe 'lora'", hint="take another recipe"
            )


def peak(recipe: Sam2Finetune, usual: float) -> float:
    """The peak learning rate: the recipe's or the usual one, for its global batch."""
    rate = recipe.learning_rate or usual
    return rate * recipe.accumulate**0.5 if recipe.scale_rate else rate


def split_clips(count: int, recipe: Sam2Finetune | None, *, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the clips to train on and of those held out; all to train on without a recipe.

    Raises:
        InputError: Too few clips.
    """
    share = recipe.held_out if recipe else 0.0
    kept = min(max(1, round(share * count)), recipe.max_held_out) if recipe and share else 0
    if count - kept < 1:
        raise InputError(
            f"{count} clip{'s' * (count != 1)}, and {kept} of them to hold out",
            hint="give more clips, clips to measure on apart (--held-out FOLDER), or --held-out 0",
        )
    order = [int(i) for i in np.random.default_rng(seed).permutation(count)]
    return sorted(order[kept:]), sorted(order[:kept])

"""The recipe of the pocket SAM 2: four stages, each starting from the last one's weights."""

from __future__ import annotations

from dataclasses import dataclass, field

from seektrack.training.sam2.config import PocketSize
from seektrack.training.sam2.losses import LossWeights


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of training.

    Attributes:
        name: ``dense``, ``decoder``, ``image`` or ``clip``; decides what is trained on what.
        steps: Optimiser steps.
        resolution: Side of the square input in pixels.
        clips, frames, objects: Clips a step, frames a clip, most objects a clip.
        lr, warmup: Peak learning rate and the steps to reach it; a cosine brings it to a twentieth.
        teacher: Teacher forcing at the start; it fades linearly to none at 70 % of the stage.
        image_share: In a clip stage, the share of steps that take the frames as single pictures instead, so
            that what the image stage taught is kept.
    """

    name: str
    steps: int
    resolution: int
    clips: int
    frames: int = 1
    objects: int = 3
    lr: float = 1.0e-3
    warmup: int = 100
    teacher: float = 0.0
    image_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Sam2Recipe:
    """Everything that decides the result of a training.

    Attributes:
        size: The network.
        stages: In order.
        losses: Weights of the terms.
        seed: Of weights, prompts and augmentation; scenes come from the training split in order.
        decay: Of the moving average of weights, which is what is saved.
        bf16: Compute in bfloat16; 1.4 times the speed on a CPU that has it. Attention is then the eager one:
            the fused one's backward pass in bfloat16 costs more than it saves.
        validation: Held-out scenes a quick validation looks at; clips take less than half of them.
    """

    size: PocketSize = field(default_factory=PocketSize)
    stages: tuple[Stage, ...] = ()
    losses: LossWeights = field(default_factory=LossWeights)
    seed: int = 0
    decay: float = 0.998
    bf16: bool = False
    validation: int = 24


def pocket_recipe() -> Sam2Recipe:
    """The published pocket checkpoint: about two hours on one core."""
    return Sam2Recipe(
        size=PocketSize(stem=48, blocks=(1, 1, 3, 1)),
        bf16=True,
        stages=(
            Stage(name="dense", steps=600, resolution=192, clips=8, lr=1.2e-3),
            Stage(name="decoder", steps=500, resolution=192, clips=8, lr=1.0e-3, warmup=50),
            Stage(name="image", steps=2600, resolution=192, clips=8, lr=1.0e-3),
            Stage(name="clip", steps=900, resolution=192, clips=2, frames=4, objects=4, lr=6e-4, teacher=0.6),
            Stage(
                name="clip",
                steps=900,
                resolution=256,
                clips=2,
                frames=8,
                objects=4,
                lr=5e-4,
                image_share=0.35,
            ),
        ),
    )


def smoke_recipe() -> Sam2Recipe:
    """A recipe of seconds that runs every stage: for tests and for trying the machinery."""
    return Sam2Recipe(
        size=PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1)),
        bf16=True,
        validation=2,
        stages=(
            Stage(name="dense", steps=2, resolution=64, clips=2),
            Stage(name="decoder", steps=2, resolution=64, clips=2),
            Stage(name="image", steps=2, resolution=64, clips=2),
            Stage(name="clip", steps=2, resolution=64, clips=1, frames=3, teacher=0.5, image_share=0.5),
        ),
    )

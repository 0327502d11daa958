"""The recipe of the pocket SAM 2: stages, each starting from the last one's weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seektrack.errors import ModelError
from seektrack.training.sam2.augment import Augment
from seektrack.training.sam2.config import PocketSize
from seektrack.training.sam2.losses import LossWeights
from seektrack.training.sam2.prompts import PromptMix


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of training.

    Attributes:
        name: ``dense``, ``decoder``, ``image`` or ``clip``; decides what is trained on what.
        steps: Optimiser steps, fewer when the time allowed ends first.
        resolution: Side of the square input in pixels; the one validated at.
        clips, frames, objects: Clips a group, frames a clip, most objects a clip; a step is one group unless
            the recipe accumulates.
        lr, warmup, floor: Peak learning rate, the steps to reach it, and the share of it a cosine ends at.
        teacher: Teacher forcing at the start; it fades linearly to none at 70 % of the stage.
        image_share: In a clip stage, the share of steps that take single pictures instead, so that what the
            image stage taught is kept.
        image_clips: Scenes whose first frames those steps take; 0 takes the frames of the clips apart.
        leads: Frames followed without gradient before the ``frames`` that the loss is of, of which each clip
            step draws one number: what goes wrong slowly shows only late, and few frames fit a step.
        fixed_encoder: Clip steps leave the encoder as it is, at two thirds of their cost; single pictures
            still train it.
        resolutions: Sides of which each step takes one, so that the network works at all of them; none means
            ``resolution``. A larger one takes fewer clips, a smaller one as many as ``clips``.
        style, style_share: Of the world's scenes (see ``SceneSettings``), and how many are drawn in it; the
            others are plain.
        min_area: Fewest visible pixels of an object on the first frame, for pictures of 192 x 192.
        first_scene: Training scenes passed over, so that a training that goes on from another sees new ones.
        share: Of the time allowed, in proportion to the other stages'.
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
    image_clips: int = 0
    leads: tuple[int, ...] = (0,)
    fixed_encoder: bool = False
    floor: float = 0.05
    resolutions: tuple[int, ...] = ()
    style: str = "plain"
    style_share: float = 1.0
    min_area: int = 40
    first_scene: int = 0
    share: float = 1.0

    @property
    def group(self) -> int:
        """Seeds set aside for a group."""
        return max(self.clips, self.image_clips)


@dataclass(frozen=True, kw_only=True)
class Sam2Recipe:
    """Everything that decides the result of a training.

    Attributes:
        size: The network.
        stages: In order.
        losses: Weights of the terms.
        prompts: Which prompts and corrections.
        augment: How clips are changed.
        seed: Of weights, prompts and augmentation; scenes come from the training split in order.
        decay: Of the moving average of weights, which is what is saved.
        bf16: Compute in bfloat16; 1.4 times the speed on a CPU that has it. Attention is then the eager one:
            the fused one's backward pass in bfloat16 costs more than it saves.
        accumulate: Groups of clips a step, whose gradients are averaged; several processes share them.
        calibration: Held-out clips by which the finished network's object score gets its zero (see
            :mod:`seektrack.training.sam2.calibrate`); 0 leaves it.
        validation: Held-out scenes a quick validation looks at; clips take less than half of them.
    """

    size: PocketSize = field(default_factory=PocketSize)
    stages: tuple[Stage, ...] = ()
    losses: LossWeights = field(default_factory=LossWeights)
    prompts: PromptMix = field(default_factory=PromptMix)
    augment: Augment = field(default_factory=Augment)
    seed: int = 0
    decay: float = 0.998
    bf16: bool = False
    accumulate: int = 1
    calibration: int = 0
    validation: int = 24

    @classmethod
    def from_json(cls, text: str) -> Sam2Recipe:
        """The recipe that ``json.dumps(asdict(recipe))`` wrote; fields it does not name take their defaults.

        Raises:
            ModelError: It is no recipe, or has fields that are unknown here.
        """
        try:
            raw = json.loads(text)
            raw["size"] = PocketSize(**{**raw["size"], "blocks": tuple(raw["size"]["blocks"])})
            raw["stages"] = tuple(Stage(**_tuples(stage)) for stage in raw["stages"])
            raw["losses"] = LossWeights(**raw["losses"])
            raw["prompts"] = PromptMix(**_tuples(raw.get("prompts", {})))
            raw["augment"] = Augment(**_tuples(raw.get("augment", {})))
            return cls(**raw)
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the recipe of the training cannot be read: {type(error).__name__} {error}",
                hint="go on with the version of seektrack that wrote it, or choose another --out",
            ) from error


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples they were."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def pocket_recipe(*, style: str = "rich") -> Sam2Recipe:
    """From random weights to a pocket checkpoint: about six hours on one core, or the time allowed.

    Args:
        style: Of most scenes; ``plain`` is the world of the demo.
    """
    simple = Stage(name="dense", steps=900, resolution=192, clips=8, lr=1.2e-3, style=style, style_share=0.5)
    still = replace(simple, name="image", steps=9000, lr=1.0e-3, objects=5, style_share=0.7, min_area=30)
    return Sam2Recipe(
        size=PocketSize(stem=48, blocks=(1, 1, 3, 1)),
        bf16=True,
        calibration=24,
        stages=(
            replace(simple, share=10),
            replace(simple, name="decoder", steps=500, lr=1.0e-3, warmup=50, share=5),
            replace(still, resolutions=(192, 192, 256, 320), share=110),
            replace(still, name="clip", steps=2500, clips=2, frames=4, lr=6e-4, teacher=0.6, share=45),
            _clips(style, steps=4000, lr=5e-4, share=190),
        ),
    )


def polish_recipe(*, style: str = "rich") -> Sam2Recipe:
    """Go on from a finished pocket checkpoint (``init``): single pictures, then clips.

    This made the published checkpoint out of the one before it, in 101 minutes on two cores
    (``--max-minutes 101``, ``OMP_NUM_THREADS=2``). Most of a step is the encoder, so a picture serves six
    objects, boxes and clicks; and it stays as it is while clips teach memory over up to 24 frames.

    Args:
        style: Of half of the scenes; ``plain`` is the world of the demo.
    """
    still = Stage(
        name="image",
        steps=20_000,
        resolution=256,
        resolutions=(192, 192, 256, 256, 320),
        clips=8,
        objects=6,
        lr=1e-3,
        warmup=80,
        floor=0.1,
        style=style,
        style_share=0.5,
        min_area=30,
        share=44,
    )
    clips = replace(
        still,
        name="clip",
        resolutions=(192, 256, 256, 256, 384),
        clips=2,
        frames=8,
        leads=(0, 8, 16),
        fixed_encoder=True,
        image_share=0.4,
        image_clips=8,
        objects=5,
        lr=6e-4,
        warmup=60,
        floor=0.05,
        share=58,
    )
    return Sam2Recipe(
        size=PocketSize(stem=48, blocks=(1, 1, 3, 1)),
        bf16=True,
        decay=0.999,
        calibration=24,
        prompts=PromptMix(mixed=True, even_jitter=True),
        stages=(still, clips),
        validation=36,
    )


def follow_recipe(*, style: str = "rich") -> Sam2Recipe:
    """Go on from a polished checkpoint (``init``): single pictures and clips of up to 40 frames in turn.

    Masks drift late in a clip: by memories of the network's own earlier answers, so those are what it must
    meet. Most frames are followed without gradient, at the world's own pace.

    Args:
        style: Of two scenes in five; ``plain`` is the world of the demo.
    """
    polish = polish_recipe(style=style)
    stage = replace(
        polish.stages[1],
        lr=8e-4,
        leads=(0, 8, 16, 32),
        image_share=0.55,
        style_share=0.4,
        first_scene=20_000_000,
        share=1.0,
    )
    return replace(polish, stages=(stage,), seed=1)


def _clips(style: str, *, steps: int, lr: float, share: float) -> Stage:
    return Stage(
        name="clip",
        steps=steps,
        resolution=256,
        resolutions=(192, 256, 256, 384),
        clips=2,
        frames=8,
        objects=4,
        lr=lr,
        image_share=0.35,
        style=style,
        style_share=0.7,
        min_area=30,
        share=share,
    )


def smoke_recipe(*, style: str = "plain") -> Sam2Recipe:
    """A recipe of seconds that runs every stage: for tests and for trying the machinery.

    Args:
        style: Of all scenes.
    """
    small = Stage(name="dense", steps=2, resolution=64, clips=2, style=style)
    return Sam2Recipe(
        size=PocketSize(resolution=64, stem=16, blocks=(1, 1, 1, 1)),
        bf16=True,
        calibration=2,
        validation=2,
        stages=(
            small,
            replace(small, name="decoder"),
            replace(small, name="image", resolutions=(64, 96)),
            replace(small, name="clip", clips=1, frames=3, teacher=0.5, image_share=0.5),
        ),
    )


CONTINUING = ("polish", "follow")
"""Recipes that go on from a finished checkpoint."""

RECIPES: Mapping[str, Callable[..., Sam2Recipe]] = {
    "pocket": pocket_recipe,
    "polish": polish_recipe,
    "follow": follow_recipe,
    "smoke": smoke_recipe,
}
"""By name; each takes ``style``."""

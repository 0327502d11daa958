"""What a recipe of the pocket SAM 2 says: stages, each starting from the last one's weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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
        image_objects: Most objects of a single picture, which costs an encoding however many are asked; as
            ``objects`` when 0.
        leads: Frames followed without gradient before the ``frames`` that the loss is of, of which each clip
            step draws one number: what goes wrong slowly shows only late, and few frames fit a step.
        fixed_encoder: Clip steps leave the encoder as it is, at two thirds of their cost; single pictures
            still train it.
        spoil: Chance of each object of a clip to be remembered wrongly for some frames (see
            :mod:`seektrack.training.sam2.spoil`).
        resolutions: Sides of which each step takes one, so that the network works at all of them; none means
            ``resolution``. A larger one takes fewer clips, a smaller one as many as ``clips``.
        style, style_share: Of the world's scenes (see ``SceneSettings``), and how many are drawn in it; the
            others are plain.
        min_area: Fewest visible pixels of an object on the first frame, for pictures of 192 x 192.
        mix: Shares of the steps that take scenes of the world, photographs and films; what a training is not
            given is left out (see :mod:`seektrack.training.sam2.mixture`).
        film_clips: Clips a group of films, which show one object each; as ``clips`` when 0.
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
    image_objects: int = 0
    leads: tuple[int, ...] = (0,)
    fixed_encoder: bool = False
    spoil: float = 0.0
    floor: float = 0.05
    resolutions: tuple[int, ...] = ()
    style: str = "plain"
    style_share: float = 1.0
    min_area: int = 40
    mix: tuple[float, float, float] = (1.0, 0.0, 0.0)
    film_clips: int = 0
    first_scene: int = 0
    share: float = 1.0

    @property
    def group(self) -> int:
        """Seeds set aside for a group."""
        return max(self.clips, self.image_clips, self.film_clips)


@dataclass(frozen=True, kw_only=True)
class Sam2Recipe:
    """Everything that decides the result of a training.

    Attributes:
        size: The network, when it starts from random weights.
        grow: Encoder blocks per stage that a network to start from is grown to (see
            :func:`seektrack.training.sam2.grow.deepen`); none leaves it as it is.
        stages: In order.
        losses: Weights of the terms.
        prompts: Which prompts and corrections.
        augment: How clips are changed.
        seed: Of weights, prompts and augmentation; scenes come from the training split in order.
        decay: Of the moving average of weights, which is what is saved.
        bf16: Compute in bfloat16; 1.4 times the speed on a CPU that has it. Attention is then the eager one:
            the fused one's backward pass in bfloat16 costs more than it saves.
        foreground: Single pictures also train the throw-away head on what is an object and what is not, and
            clicks on nothing are told so; photographs and films do not say where nothing is.
        accumulate: Groups of clips a step, whose gradients are averaged; several processes share them.
        calibration: Held-out clips by which the finished network's object score gets its zero (see
            :mod:`seektrack.training.sam2.calibrate`); 0 leaves it.
        validation: Held-out scenes a quick validation looks at; clips take less than half of them.
    """

    size: PocketSize = field(default_factory=PocketSize)
    grow: tuple[int, ...] = ()
    stages: tuple[Stage, ...] = ()
    losses: LossWeights = field(default_factory=LossWeights)
    prompts: PromptMix = field(default_factory=PromptMix)
    augment: Augment = field(default_factory=Augment)
    seed: int = 0
    decay: float = 0.998
    bf16: bool = False
    foreground: bool = True
    accumulate: int = 1
    calibration: int = 0
    validation: int = 24

    @property
    def real(self) -> bool:
        """Whether a stage looks at photographs or films."""
        return any(sum(stage.mix[1:]) > 0 for stage in self.stages)

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
            raw["grow"] = tuple(raw.get("grow", ()))
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

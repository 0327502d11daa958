"""The recipes that made the pocket SAM 2, in the order they were run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from seektrack.training.sam2.augment import footage
from seektrack.training.sam2.config import PocketSize
from seektrack.training.sam2.losses import LossWeights
from seektrack.training.sam2.prompts import PromptMix
from seektrack.training.sam2.recipe import Sam2Recipe, Stage


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

    Most of a step is the encoder, so a picture serves six objects, boxes and clicks; and it stays as it is
    while clips teach memory over up to 24 frames.

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


def deepen_recipe(*, style: str = "rich") -> Sam2Recipe:
    """Go on from a followed checkpoint (``init``) in a deeper network: single pictures, then long clips.

    One block more where features are finest, for outlines, and two that look everywhere, for what belongs to
    what. Most of the time goes to pictures, which teach the encoder; clips then teach memory what is new.

    Args:
        style: Of two scenes in five; ``plain`` is the world of the demo.
    """
    follow = follow_recipe(style=style)
    still = replace(
        polish_recipe(style=style).stages[0],
        resolutions=(192, 256, 256, 320),
        warmup=60,
        floor=0.05,
        style_share=0.4,
        first_scene=24_000_000,
        share=75,
    )
    clips = replace(follow.stages[0], lr=4e-4, image_share=0.4, first_scene=still.first_scene, share=33)
    return replace(follow, grow=(2, 1, 5, 1), stages=(still, clips), seed=2)


def steady_recipe(*, style: str = "rich") -> Sam2Recipe:
    """Go on from a deepened checkpoint (``init``): clips with wrong memories in them, and single pictures.

    An object drifts from the network's own mistakes, which memory keeps and repeats: half of the objects are
    remembered wrongly for some frames, and are to be found whole all the same.

    Args:
        style: Of two scenes in five; ``plain`` is the world of the demo.
    """
    follow = follow_recipe(style=style)
    clips = replace(follow.stages[0], lr=6e-4, image_share=0.4, spoil=0.5, first_scene=32_000_000)
    return replace(follow, stages=(clips,), seed=3)


def real_recipe(*, style: str = "rich") -> Sam2Recipe:
    """Go on from a finished checkpoint (``init``) on photographs, films and the world in turn.

    Stills made to move, and films, teach the memory what real things look like from frame to frame; the
    world keeps what it taught. Clicks correct answers on first and on followed frames, and are to be obeyed.
    Half of the steps take single pictures, of which many regions are asked. What is real is seldom told to
    the pixel: one counts as inside from the probability at which a poor answer overlaps best.

    Args:
        style: Of half of the world's scenes; ``plain`` is the world of the demo.
    """
    clips = Stage(
        name="clip",
        steps=20_000,
        resolution=288,
        resolutions=(224, 288, 320),
        clips=2,
        frames=5,
        objects=3,
        lr=5e-4,
        warmup=20,
        floor=0.02,
        image_share=0.5,
        image_clips=6,
        image_objects=8,
        spoil=0.1,
        style=style,
        style_share=0.5,
        min_area=30,
        mix=(0.1, 0.5, 0.4),
        first_scene=39_000_000,
    )
    return Sam2Recipe(
        size=PocketSize(stem=48, blocks=(2, 1, 5, 1)),
        bf16=True,
        foreground=False,
        decay=0.995,
        losses=LossWeights(clicked=0.2, iou=0.6, soft_iou=0.5, inside=0.38),
        prompts=PromptMix(
            image=(0.6, 0.4, 0.0),
            clip=(0.4, 0.35, 0.25),
            mixed=True,
            even_jitter=True,
            corrections=1,
            later=0.1,
        ),
        augment=replace(footage(), channels=0.1, invert=0.02),
        stages=(clips,),
        validation=1,
        seed=6,
    )


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


CONTINUING = ("polish", "follow", "deepen", "steady", "real")
"""Recipes that go on from a finished checkpoint."""

RECIPES: Mapping[str, Callable[..., Sam2Recipe]] = {
    "pocket": pocket_recipe,
    "polish": polish_recipe,
    "follow": follow_recipe,
    "deepen": deepen_recipe,
    "steady": steady_recipe,
    "real": real_recipe,
    "smoke": smoke_recipe,
}
"""By name; each takes ``style``."""

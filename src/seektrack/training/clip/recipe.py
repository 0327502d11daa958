"""What a training of the pocket CLIP consists of: sizes, data, batches, schedule.

The published encoder is :func:`plain_recipe`, then, from its weights, :func:`frames_recipe`,
each with its stage on proposals::

    seektrack pocket clip --out runs/clip --minutes 52 --proposal-minutes 11
    seektrack pocket clip --style frames --init runs/clip/model --out runs/frames --max-minutes 60
"""

from __future__ import annotations

from dataclasses import dataclass, field

from seektrack.errors import InputError
from seektrack.training.clip.names import CATEGORY_NAMES, N_PLAIN


@dataclass(frozen=True, kw_only=True)
class ClipSizes:
    """The network; both towers are transformers' ``CLIPModel``.

    Attributes:
        image_size, patch_size: Side of the input and of a patch in pixels.
        fine_size: Side at which pictures with the pixels for it, whole frames, are looked at; 0 for the same.
        width, layers, heads: Of the image tower.
        text_width, text_layers, text_heads: Of the text tower.
        dim: Of the shared space.
        vocabulary: Most tokens.
        context: Most tokens in a text.
    """

    image_size: int = 112
    patch_size: int = 14
    fine_size: int = 0
    width: int = 192
    layers: int = 4
    heads: int = 4
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    dim: int = 128
    vocabulary: int = 2000
    context: int = 48

    def __post_init__(self) -> None:
        for name in ("image_size", "fine_size"):
            if getattr(self, name) % self.patch_size:
                raise InputError(
                    f"{name} {getattr(self, name)} is no multiple of patch_size {self.patch_size}",
                    hint="choose sizes that divide, such as 112 and 14",
                )


@dataclass(frozen=True, kw_only=True)
class ClipRecipe:
    """A training run; equal recipes on equal data take equal steps.

    Attributes:
        sizes: The network.
        seed: Of weights, batches and augmentation; scenes have their own seeds.
        clips: Training scenes to render.
        frames_per_clip: Pictures kept of each scene.
        rich: Share of the scenes drawn in the world's rich style; above 0, the everyday categories, places,
            lights and weathers belong to what is learnt.
        first_clip: Where in the training seeds the scenes start.
        objects, backgrounds, things: Crops of each kind in a batch.
        scenes: Whole frames and half-size tiles in a batch.
        whole: Share of the scenes that are whole frames, not tiles.
        fine_crops: Share of the crops that are made at that side too, as a picture somebody asks with may be.
        frames: Whole frames at ``sizes.fine_size`` in a batch; their texts name what tiny things they show.
        named: Most objects that the text of a scene names; half of the texts leave some out.
        hard_texts: For each scene, texts with one thing in them changed so that they no longer fit it.
        unknown_texts: Texts in a batch that match nothing.
        early_size: Input side in the first part of the training, a multiple of the patch; smaller is cheaper.
        early_scenes: Scenes in a batch in that part; object crops take the place of the others.
        early_share: That part, as a share of the schedule.
        steps: Steps of the whole schedule; the time allowed ends it too, whichever comes first.
        learning_rate, warmup, floor: Peak, steps to reach it, and the share of it left at the end.
        weight_decay: On matrices.
        label_weight: Weight of the loss over the whole vocabulary, beside the in-batch one.
        scene_weight: Weight of the same for scenes, which should share themselves among the labels they show.
        dense_weight: Weight of naming every patch of those frames (after Zhou et al., Extract Free Dense
            Labels from CLIP, 2022): a thing of two patches is learnt as fast as one that fills a crop.
        average: Decay of the running mean of the weights that is exported.
        bf16: Compute in bfloat16 where that is faster.
        validation_clips: Scenes of the quick look while training, two pictures of each.
    """

    sizes: ClipSizes = field(default_factory=ClipSizes)
    seed: int = 0
    clips: int = 6000
    frames_per_clip: int = 4
    rich: float = 0.0
    first_clip: int = 0
    objects: int = 30
    backgrounds: int = 8
    things: int = 4
    scenes: int = 22
    whole: float = 0.6
    fine_crops: float = 0.0
    frames: int = 0
    named: int = 4
    hard_texts: int = 0
    unknown_texts: int = 8
    early_size: int = 84
    early_scenes: int = 8
    early_share: float = 0.4
    steps: int = 7000
    learning_rate: float = 1.2e-3
    warmup: int = 200
    floor: float = 0.02
    weight_decay: float = 0.05
    label_weight: float = 1.0
    scene_weight: float = 0.0
    dense_weight: float = 0.0
    average: float = 0.998
    bf16: bool = True
    validation_clips: int = 200

    def __post_init__(self) -> None:
        for name in ("rich", "whole", "fine_crops"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is a share from 0 to 1, got {getattr(self, name)}")
        if (self.frames or self.fine_crops) and not self.sizes.fine_size:
            raise InputError(
                f"{self.frames} fine frames, {self.fine_crops} of the crops fine, and no side for them",
                hint="set sizes.fine_size",
            )
        if self.named < 1 or self.hard_texts < 0 or self.scene_weight < 0:
            raise InputError(
                f"named {self.named}, hard_texts {self.hard_texts}, scene_weight {self.scene_weight}",
                hint="name at least 1 object; the others are 0 or more",
            )

    @property
    def n_categories(self) -> int:
        """How many categories there are to tell apart: the plain world's, or the everyday ones too."""
        return len(CATEGORY_NAMES) if self.rich else N_PLAIN


STYLES = ("plain", "mix", "rich", "frames")


def plain_recipe() -> ClipRecipe:
    """Twelve categories on streets and patterns: the first published model."""
    return ClipRecipe()


def mix_recipe(*, rich: float = 0.5) -> ClipRecipe:
    """Plain and rich scenes, crops and whole frames in equal parts, a larger and deeper network.

    Whole frames are what is hard: the text must be told from those of other frames that share objects with
    it. So they fill half of each batch, their texts name all that is visible and where it is, each brings
    texts that almost fit, and each is asked for all of its labels. The steps never end: the time allowed
    sets the schedule, so that the learning rate falls all the way.

    Args:
        rich: Share of rich scenes.
    """
    return ClipRecipe(
        sizes=ClipSizes(image_size=140, layers=6),
        clips=8000,
        rich=rich,
        objects=26,
        backgrounds=6,
        things=4,
        scenes=44,
        whole=0.75,
        named=7,
        hard_texts=2,
        unknown_texts=8,
        early_size=112,
        early_scenes=44,
        early_share=0.45,
        steps=1_000_000,
        learning_rate=1e-3,
        scene_weight=0.5,
        average=0.999,
    )


def frames_recipe() -> ClipRecipe:
    """Teach a finished pocket CLIP (``init``) to read whole frames at twice the side, one layer deeper.

    The fourth layer is asked to name every patch, and the fifth gathers what the patches say into the vector
    of the frame. Crops and tiles go on at the small side, so that they are not forgotten.
    """
    return ClipRecipe(
        sizes=ClipSizes(layers=5, fine_size=224),
        objects=16,
        backgrounds=5,
        things=3,
        scenes=10,
        whole=0.2,
        frames=24,
        fine_crops=0.15,
        named=8,
        hard_texts=2,
        unknown_texts=8,
        early_share=0.0,
        steps=1_000_000,
        learning_rate=8e-4,
        warmup=100,
        scene_weight=0.5,
        dense_weight=0.5,
    )


def recipe_of(style: str) -> ClipRecipe:
    """The recipe of a style of world.

    Raises:
        InputError: Unknown style.
    """
    if style not in STYLES:
        raise InputError(f"unknown style {style!r}", hint=f"choose from {', '.join(STYLES)}")
    if style == "frames":
        return frames_recipe()
    return plain_recipe() if style == "plain" else mix_recipe(rich=0.5 if style == "mix" else 1.0)

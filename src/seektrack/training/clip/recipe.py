"""What a training of the pocket CLIP consists of: sizes, data, batches, schedule."""

from __future__ import annotations

from dataclasses import dataclass, field

from seektrack.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ClipSizes:
    """The network; both towers are transformers' ``CLIPModel``.

    Attributes:
        image_size, patch_size: Side of the input and of a patch in pixels.
        width, layers, heads: Of the image tower.
        text_width, text_layers, text_heads: Of the text tower.
        dim: Of the shared space.
        vocabulary: Most tokens.
        context: Most tokens in a text.
    """

    image_size: int = 112
    patch_size: int = 14
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
        if self.image_size % self.patch_size:
            raise InputError(
                f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}",
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
        first_clip: Where in the training seeds the scenes start.
        objects, backgrounds, things: Crops of each kind in a batch.
        scenes: Whole frames and half-size tiles in a batch.
        unknown_texts: Texts in a batch that match nothing.
        early_size: Input side in the first part of the training, a multiple of the patch; smaller is cheaper.
        early_scenes: Scenes in a batch in that part; object crops take the place of the others.
        early_share: That part, as a share of the schedule.
        steps: Steps of the whole schedule.
        learning_rate, warmup, floor: Peak, steps to reach it, and the share of it left at the end.
        weight_decay: On matrices.
        label_weight: Weight of the loss over the whole vocabulary, beside the in-batch one.
        average: Decay of the running mean of the weights that is exported.
        bf16: Compute in bfloat16 where that is faster.
        validation_clips: Scenes of the quick look while training, two pictures of each.
    """

    sizes: ClipSizes = field(default_factory=ClipSizes)
    seed: int = 0
    clips: int = 6000
    frames_per_clip: int = 4
    first_clip: int = 0
    objects: int = 30
    backgrounds: int = 8
    things: int = 4
    scenes: int = 22
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
    average: float = 0.998
    bf16: bool = True
    validation_clips: int = 200

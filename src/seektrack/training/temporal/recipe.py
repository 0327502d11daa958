"""What a training of the temporal encoder consists of: scenes, views, texts, batches, schedule."""

from __future__ import annotations

from dataclasses import dataclass, field

from seektrack.encoders.temporal_sizes import TemporalSizes
from seektrack.errors import InputError
from seektrack.world import SceneSettings

NETWORKS = ("transformer", "lstm")


def motion_scenes(sizes: TemporalSizes, frames: int, *, style: str = "plain") -> SceneSettings:
    """Scenes of few objects that come, go and cross the picture within ``frames`` frames."""
    return SceneSettings(
        height=sizes.image_size,
        width=sizes.image_size,
        n_frames=frames,
        actors=(1, 3),
        occluders=1,
        object_size=(20.0, 60.0),
        speed=(2.0, 14.0),
        style=style,
    )


@dataclass(frozen=True, kw_only=True)
class TemporalRecipe:
    """Everything that decides what comes out, time apart.

    Attributes:
        sizes: Of the network.
        clips: Training scenes drawn.
        validation_clips: Scenes of the validation seeds the curve is measured on.
        drawn_frames: Frames drawn of each scene; views take some of them.
        batch: Clips in a step, half of them the other half run backwards.
        texts: Texts asked of each clip in a step.
        steps: Steps after which the learning rate has fallen to ``floor``.
        learning_rate, text_rate: Peak for the network over time, and for the text tower.
        floor: Last learning rate over the peak.
        warmup: Steps until the peak.
        weight_decay: Of matrices.
        average: Share of the running mean of the weights kept at each step.
        seed: Of weights and batches.
        bf16: Compute in bfloat16.
        translated: Share of texts in a language other than English.
        paraphrased: Share of English texts in other words than the world's own.
        reversal: Weight of telling clips from themselves run backwards, and texts from their reverse.
        shift: Most patches a clip is moved by, up or down and to the sides.
    """

    sizes: TemporalSizes = field(
        default_factory=lambda: TemporalSizes(tower_layers=4, early_layer=2, channels=64)
    )
    clips: int = 4000
    validation_clips: int = 160
    drawn_frames: int = 12
    batch: int = 48
    texts: int = 2
    steps: int = 4000
    learning_rate: float = 2e-3
    text_rate: float = 6e-4
    floor: float = 0.02
    warmup: int = 40
    weight_decay: float = 0.2
    average: float = 0.99
    seed: int = 0
    bf16: bool = True
    translated: float = 0.2
    paraphrased: float = 0.3
    shift: int = 1
    reversal: float = 1.0

    def __post_init__(self) -> None:
        if self.batch < 2 or self.batch % 2 or self.clips < self.batch or self.validation_clips < 2:
            raise InputError(
                "a step needs an even number of clips, at most as many as there are, and validation two;"
                f" got batch {self.batch}, {self.clips} clips, {self.validation_clips} for validation",
                hint="such as batch=64, clips=2000, validation_clips=160",
            )
        if self.drawn_frames < self.sizes.frames:
            raise InputError(
                f"{self.drawn_frames} drawn frames cannot make clips of {self.sizes.frames}",
                hint="draw at least as many frames as a clip has",
            )


@dataclass(frozen=True, kw_only=True)
class OwnTemporalRecipe:
    """Everything that decides what comes out, time apart.

    Attributes:
        network: What joins the frames: ``transformer``, or ``lstm``, which is always trained from random
            weights; None keeps that of the model.
        batch: Videos or moments in a step.
        texts: Texts asked of each.
        steps: Steps after which the learning rate has fallen to ``floor``.
        learning_rate, text_rate: Peak for the network over time, and for the text tower.
        floor: Last learning rate over the peak.
        warmup: Steps until the peak.
        weight_decay: Of matrices.
        average: Share of the running mean of the weights kept at each step.
        shift: Most patches a video is moved by, up or down and to the sides.
        spare: Frames looked at of each, over those of the network: which of them are taken differs by step.
        held_out: Share kept from training to measure on.
        seed: Of the split and the batches.
        bf16: Compute in bfloat16.
    """

    network: str | None = None
    batch: int = 32
    texts: int = 2
    steps: int = 1000
    learning_rate: float = 6e-4
    text_rate: float = 2e-4
    floor: float = 0.02
    warmup: int = 20
    weight_decay: float = 0.1
    average: float = 0.98
    shift: int = 1
    spare: int = 2
    held_out: float = 0.15
    seed: int = 0
    bf16: bool = True

    def __post_init__(self) -> None:
        if self.network not in (None, *NETWORKS):
            raise InputError(f"unknown network {self.network!r}", hint=f"choose from {', '.join(NETWORKS)}")
        if min(self.batch, self.texts + 1, self.steps + 1, self.spare + 1) < 2 or not 0 <= self.held_out < 1:
            raise InputError("batch must be 2 or more, texts, steps and spare 1 or more, held_out below 1")

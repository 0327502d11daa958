"""What a training of a trajectory predictor consists of."""

from __future__ import annotations

from dataclasses import dataclass, field

from seektrack.errors import InputError
from seektrack.tracking.predict_network import TrajectorySizes


@dataclass(frozen=True, kw_only=True)
class TrajectoryRecipe:
    """Everything that decides what comes out, time apart.

    Attributes:
        sizes: Of the network, and which of the two it is.
        scenes, validation_scenes: Scenes whose objects' ways are learnt from, and measured on.
        frames: Frames of each way; steps of the network are frames of the world.
        steps: Steps of training.
        batch: Samples in a step.
        learning_rate: Peak.
        floor: Last learning rate over the peak.
        warmup: Steps until the peak.
        gap: Chance that some of the past was hidden.
        noise: Standard deviation of a measured edge, in sizes, at most; each sample has its own.
        held_out: Share of one's own videos kept from training to measure on.
        seed: Of weights and samples.
    """

    sizes: TrajectorySizes = field(default_factory=TrajectorySizes)
    scenes: int = 500
    validation_scenes: int = 60
    frames: int = 48
    steps: int = 1500
    batch: int = 128
    learning_rate: float = 2e-3
    floor: float = 0.01
    warmup: int = 100
    gap: float = 0.4
    noise: float = 0.06
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise InputError(f"held_out must be at least 0 and below 1, got {self.held_out}")
        need = self.sizes.past + self.sizes.future
        if self.frames < need or min(self.scenes, self.validation_scenes, self.batch, self.steps) < 1:
            raise InputError(
                f"{self.frames} frames are too few for {need} steps, or a count is below 1",
                hint=f"frames must be at least {need}; scenes, batch and steps at least 1",
            )

"""Where a training stands: a stage by its steps or by the clock, whichever is further on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from seektrack.training.common import cosine, warmed, whichever_is_further
from seektrack.training.sam2.recipe import Sam2Recipe, Stage


@dataclass
class State:
    """What a checkpoint holds beside the tensors.

    Attributes:
        stage, step: Stages finished, and steps of the one at work.
        groups: Groups of clips of the stage already taken, those of all processes together.
        calibrated: Whether the object score of the finished network has its zero.
        seconds, stage_seconds: Spent on the training, and on its stage.
    """

    stage: int = 0
    step: int = 0
    groups: int = 0
    calibrated: bool = False
    seconds: float = 0.0
    stage_seconds: float = 0.0


def stage_seconds(recipe: Sam2Recipe, index: int, *, minutes: float, spent_s: float) -> float:
    """Seconds stage ``index`` may take, of ``minutes`` in all with ``spent_s`` gone on earlier stages.

    What is left is dealt out by the stages' ``share``; a stage that ended early leaves its time to the rest.
    """
    left = sum(stage.share for stage in recipe.stages[index:])
    return max(0.0, minutes * 60 - spent_s) * recipe.stages[index].share / max(left, 1e-9)


def stage_progress(stage: Stage, step: int, *, used_s: float, allowed_s: float | None) -> float:
    """Share of a stage done, in [0, 1]."""
    by_time = 0.0 if allowed_s is None else used_s / max(allowed_s, 1e-9)
    return whichever_is_further(step / stage.steps, by_time)


def learning_rate(stage: Stage, step: int, progress: float) -> float:
    """Linear to the peak over ``warmup`` steps, then down a half cosine of progress to ``floor`` of it."""
    return stage.lr * warmed(step, stage.warmup) * cosine(progress, floor=stage.floor)


class Clock:
    """Adds the time that passes to the state, and says what is due."""

    def __init__(self, state: State, save_every_s: float, validate_every_s: float) -> None:
        self.state, self.save_every_s, self.validate_every_s = state, save_every_s, validate_every_s
        self._last = self._saved = self._validated = time.monotonic()

    def tick(self) -> None:
        """Count what has passed since the last call."""
        now = time.monotonic()
        self.state.seconds += now - self._last
        self.state.stage_seconds += now - self._last
        self._last = now

    def save_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._last - self._saved > self.save_every_s

    def saved(self) -> None:
        """A checkpoint was written."""
        self._saved = time.monotonic()

    def validation_due(self) -> bool:
        """Whether it is time to measure."""
        return self._last - self._validated > self.validate_every_s

    def validated(self) -> None:
        """It was measured."""
        self._validated = time.monotonic()

"""Steps a training to its end, saving and measuring on the way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from seektrack.training.common import Budget, Curve
from seektrack.types import Progress

MEASURING = 20
"""Between two measurements at least so many times as long as one takes is trained."""


class Training(Protocol):
    """A training under way.

    Attributes:
        path: Of its checkpoint; the curve lies beside it.
        steps: Taken so far.
        budget: Its time.
    """

    path: Path
    steps: int
    budget: Budget

    @property
    def progress(self) -> float:
        """Share of the schedule done; 1 ends it."""

    def step(self) -> None:
        """Take one step."""

    def validate(self) -> dict[str, Any]:
        """A row of the curve, ``step`` among its columns."""

    def export(self, out: Path) -> None:
        """Write the result as it stands."""

    def save(self) -> None:
        """Write the checkpoint."""


def drive(
    run: Training, out: Path, *, progress: Progress | None, checkpoint_every_s: float, validate_every_s: float
) -> dict[str, Any]:
    """Train to the end.

    Args:
        run: The training.
        out: Folder of the result.
        progress: Called with done, total and the name of the stage.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Fewest seconds between measurements; slow ones are spread further.

    Returns:
        The last figures, and ``steps``, ``seconds`` and ``folder``.
    """
    log = Curve(run.path.parent / "curve.csv", step=run.steps)
    figures: dict[str, Any] = {}
    saved = checked = time.monotonic()
    pause = validate_every_s
    while run.progress < 1:
        run.step()
        if progress:
            progress(min(1000, int(1000 * run.progress)), 1000, "training")
        now, done = time.monotonic(), run.progress >= 1
        if done or now - checked >= pause:
            figures = run.validate()
            log.write(figures)
            run.export(out)
            checked = time.monotonic()
            pause = max(validate_every_s, MEASURING * (checked - now))
        if done or now - saved >= checkpoint_every_s:
            run.save()
            saved = time.monotonic()
    log.close()
    if not figures:
        figures = run.validate()
        run.export(out)
    return {**figures, "steps": run.steps, "seconds": round(run.budget.used_s), "folder": str(out)}

"""Steps a training to its end, saving and measuring on the way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

from seektrack.training.common import Budget, Curve
from seektrack.training.scale import Scale
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
    run: Training,
    out: Path,
    *,
    progress: Progress | None,
    checkpoint_every_s: float,
    validate_every_s: float,
    scale: Scale | None = None,
) -> dict[str, Any]:
    """Train to the end.

    Args:
        run: The training.
        out: Folder of the result.
        progress: Called with done, total and the name of the stage.
        checkpoint_every_s: Seconds between checkpoints.
        validate_every_s: Fewest seconds between measurements; slow ones are spread further.
        scale: The processes that share the steps, all of which call this; the first of them writes.

    Returns:
        The last figures, and ``steps``, ``seconds`` and ``folder``.
    """
    main = scale is None or scale.main
    log = Curve(run.path.parent / "curve.csv", step=run.steps) if main else None
    figures: dict[str, Any] = {}
    saved = checked = time.monotonic()
    pause = validate_every_s
    share = run.progress
    while share < 1:
        run.step()
        share = run.progress
        if progress and main:
            progress(min(1000, int(1000 * share)), 1000, "training")
        now = time.monotonic()
        measuring, saving = (
            share >= 1 or now - checked >= pause,
            share >= 1 or now - saved >= checkpoint_every_s,
        )
        if scale is not None:
            measuring, saving = scale.agree((measuring, saving))
        if measuring:
            figures = run.validate()
            if log is not None:
                log.write(figures)
                run.export(out)
            checked = time.monotonic()
            pause = max(validate_every_s, MEASURING * (checked - now))
        if saving:
            if main:
                run.save()
            saved = time.monotonic()
    if log is not None:
        log.close()
    if not figures:
        figures = run.validate()
        if main:
            run.export(out)
    return {**figures, "steps": run.steps, "seconds": round(run.budget.used_s), "folder": str(out)}

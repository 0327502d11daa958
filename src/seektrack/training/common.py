"""What training loops share: the schedule, the time budget, checkpoints, a table of figures."""

from __future__ import annotations

import csv
import math
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seektrack.checkpoints.names import PACKAGED, PRESETS, PUBLISHED
from seektrack.errors import InputError, ModelError
from seektrack.files import new_file

LATE = 0.05
"""The clock counts from this share of the time allowed on."""


def check_out(out: Path, model: str | Path) -> None:
    """See that a folder can hold what is trained, and be found by its name afterwards.

    Raises:
        InputError: It is the model to start from, or called as a built-in model is.
    """
    taken = {*PRESETS, *(one.name for one in (*PACKAGED, *PUBLISHED)), "kalman", "lstm", "transformer"}
    if str(out) in taken:
        raise InputError(
            f"{out} is the name of a built-in model, by which this folder could not be used",
            hint="write the result to another folder",
        )
    if Path(model).is_dir() and Path(model).resolve() == out.resolve():
        raise InputError(f"{out} is the model to start from", hint="write the result to another folder")


def cosine(progress: float, *, floor: float = 0.0) -> float:
    """Share of the peak learning rate at ``progress`` in [0, 1]: a half cosine from 1 down to ``floor``."""
    progress = min(max(progress, 0.0), 1.0)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def warmed(step: int, warmup: int) -> float:
    """Share of the learning rate while warming up: linear over the first ``warmup`` steps, then 1."""
    return min(1.0, (step + 1) / max(1, warmup))


def whichever_is_further(by_steps: float, by_time: float) -> float:
    """Progress in [0, 1] by steps; by the clock only where it is clearly further on, and at its end.

    So a training whose steps come first is not touched by how long each of them took.
    """
    return min(1.0, max(by_steps, (by_time - LATE) / (1 - LATE)))


def decay_groups(weights: Iterable[Tensor], weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups of an optimiser: matrices decay, biases and scales do not."""
    kept = list(weights)
    return [
        {"params": [w for w in kept if w.ndim > 1], "weight_decay": weight_decay},
        {"params": [w for w in kept if w.ndim <= 1], "weight_decay": 0.0},
    ]


def check_finite(loss: float, step: int) -> None:
    """Stop before a loss that is no number spoils the weights.

    Raises:
        ModelError: It is not finite.
    """
    if not math.isfinite(loss):
        raise ModelError(
            f"the loss is {loss} at step {step}", hint="lower the learning rate, or train in float32"
        )


@dataclass
class Budget:
    """Minutes of work allowed, counting those spent before an interruption.

    Attributes:
        minutes: Allowed in all.
        spent_s: Seconds spent in earlier runs.
        begun: When this one began, by ``time.monotonic``.
    """

    minutes: float
    spent_s: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    @property
    def used_s(self) -> float:
        """Seconds of work so far, earlier runs included."""
        return self.spent_s + time.monotonic() - self.begun

    @property
    def progress(self) -> float:
        """Share of the budget used, 1 or more when it is exhausted."""
        return self.used_s / max(1e-9, self.minutes * 60)


def save_checkpoint(path: Path, **state: Any) -> None:
    """Write tensors, numbers, texts and containers of them to one file, complete or not there at all."""
    with new_file(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, *, recipe: str | None = None) -> dict[str, Any] | None:
    """Read what :func:`save_checkpoint` wrote, or None where there is no file; no code in it is run.

    Args:
        path: Of the checkpoint.
        recipe: What the training is made of; a checkpoint whose ``recipe`` says otherwise is refused.

    Raises:
        ModelError: The file is no checkpoint, or belongs to another recipe.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path} is no readable checkpoint: {type(error).__name__}",
            hint="delete it to start the training again",
        ) from error
    if recipe is not None and state.get("recipe") != recipe:
        raise ModelError(
            f"{path} was written by another recipe, model or data",
            hint="give another output folder, the same recipe, or start over (--fresh, resume=False)",
        )
    return state


class CsvLog:
    """A table of figures on disk, one row at a time; an existing file is continued.

    Args:
        path: Of the CSV file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, row: Mapping[str, float | int | str]) -> None:
        """Append a row; the first row names the columns, and later rows fill those."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        columns = self._columns() or list(row)
        fresh = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", restval="")
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def rows(self) -> list[dict[str, str]]:
        """All rows written so far."""
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def close(self) -> None:
        """Nothing is held open; a :class:`Curve` has something to close."""

    def _columns(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), [])


class Curve(CsvLog):
    """A :class:`CsvLog` that TensorBoard shows as well, where it is installed (``seektrack[train]``).

    Events go to ``tensorboard/`` beside the table: ``tensorboard --logdir runs``. Every numeric column is a
    scalar of its name at the row's ``step``; a training that goes on from step n replaces what was drawn
    after n.

    Args:
        path: Of the CSV file.
        step: Where the training goes on from; 0 starts the table and the events anew.
        run: Folder within ``tensorboard/``, for a training of several stages, each of which counts anew.
    """

    def __init__(self, path: Path, *, step: int = 0, run: str = "") -> None:
        super().__init__(path)
        self.events = path.parent / "tensorboard" / run
        self._writer: Any = None
        self._resumed = step
        if step == 0:
            path.unlink(missing_ok=True)
            shutil.rmtree(self.events, ignore_errors=True)

    def write(self, row: Mapping[str, float | int | str]) -> None:
        """Append a row, which has a ``step``."""
        super().write(row)
        writer = self._open()
        if writer is None:
            return
        for name, value in row.items():
            if name != "step" and isinstance(value, float | int):
                writer.add_scalar(name, value, int(row["step"]))
        writer.flush()

    def close(self) -> None:
        """Close the events file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self) -> Any:
        if self._writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return None
            purge = self._resumed + 1 if self._resumed else None
            self._writer = SummaryWriter(str(self.events), purge_step=purge)
        return self._writer

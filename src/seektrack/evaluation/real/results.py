"""What a measurement on real data is asked, and what it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seektrack.errors import InputError
from seektrack.pipeline import parse_model
from seektrack.types import Progress

PROMPTS = ("mask", "box", "click")
"""What an object may be pointed at with: its true mask, the tight box of it, a click well inside."""
WAYS = ("text", "boxes", "detections")
"""How the objects of films with boxes are followed: by their names, from their first boxes, or from given
detections of every frame."""


@dataclass(frozen=True, kw_only=True)
class RealSettings:
    """How to measure.

    Attributes:
        model: ``ENCODER+SEGMENTER`` or one name for both; a layout loads the part it measures.
        device: Where; the best there is by default.
        prompts: Of `PROMPTS`, those to ask with.
        ways: Of `WAYS`, how to follow the objects of films with boxes.
        limit: Most films, or pictures, of a folder, the first by name; all when None.
        frames: Most frames of a film; all when None.
        progress: Called with done, total and what is being measured.

    Raises:
        InputError: A prompt is unknown or none is asked for, or a count is below 1.
    """

    model: str = "pocket"
    device: str | None = None
    prompts: tuple[str, ...] = PROMPTS
    ways: tuple[str, ...] = WAYS
    limit: int | None = None
    frames: int | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name, asked, known in (("prompts", self.prompts, PROMPTS), ("ways", self.ways, WAYS)):
            if not asked or not set(asked) <= set(known):
                raise InputError(
                    f"{name} {', '.join(map(repr, asked)) or 'of no kind'}",
                    hint=f"take some of {', '.join(known)}",
                )
        for name, least in (("limit", 1), ("frames", 2)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")

    @property
    def encoder(self) -> str:
        """The encoder's part of the model."""
        return parse_model(self.model)[0]

    @property
    def segmenter(self) -> str:
        """The segmenter's part of the model."""
        return parse_model(self.model)[1]

    def tell(self, done: int, total: int, stage: str) -> None:
        """Report how far it is, where somebody listens."""
        if self.progress is not None:
            self.progress(done, total, stage)


@dataclass(frozen=True)
class Measured:
    """Figures of one folder.

    Attributes:
        layout: Name of its layout.
        figures: Name to value, over everything in the folder.
        items: What each film, class… contributed, by its name.
    """

    layout: str
    figures: Mapping[str, float | int]
    items: Mapping[str, Mapping[str, float | int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As plain containers."""
        return {
            "layout": self.layout,
            "figures": dict(self.figures),
            "items": {name: dict(values) for name, values in self.items.items()},
        }


def mean(values: Iterable[float | bool]) -> float:
    """The mean of what can be said, to four places; NaN of nothing."""
    kept = [value for value in values if not np.isnan(value)]
    return round(float(np.mean(kept)), 4) if kept else float("nan")

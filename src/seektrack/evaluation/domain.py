"""What an encoder takes for known: the figures of ``seektrack eval domain``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import load_encoder
from seektrack.errors import ModelError
from seektrack.training.calibrate import describe, drawn, pictures_in
from seektrack.types import Progress
from seektrack.world import Split
from seektrack.world.scene import STYLES


def evaluate_domain(
    model: str | Path = "pocket",
    *,
    frames: int = 200,
    folders: Sequence[str | Path] = (),
    device: str | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Of held-out drawn frames, and of the pictures and films under folders, the share inside the domain.

    Args:
        model: The encoder.
        frames: Drawn frames of each style, of the test's seeds, as a camera's file would hold them.
        folders: Pictures, films, or folders of either; each is a figure of its own.
        device: Where it runs.
        progress: Called with ``(done, 0, stage)`` while pictures are looked at.

    Returns:
        ``inside_plain``, ``inside_rich``, ``inside_scan`` and one figure for each folder, by its name; behind
        each, the median distance, the edge being 1.

    Raises:
        ModelError: The encoder carries no domain.
        InputError: A folder holds no pictures.
    """
    encoder = load_encoder(model, device=device)
    domain = getattr(encoder, "domain", None)
    if domain is None:
        raise ModelError(
            f"{str(model)!r} carries nothing about what it was shown",
            hint="measure it: seektrack train calibrate",
        )
    figures: dict[str, float] = {}

    def measure(name: str, images: Iterable[NDArray[np.uint8]]) -> None:
        distances = domain.distance(describe(encoder, images, progress=progress, stage=name))
        figures[f"inside_{name}"] = float((distances <= 1).mean())
        figures[f"distance_{name}"] = float(np.median(distances))

    for style in STYLES:
        measure(style, drawn(style, Split.TEST, frames))
    for folder in folders:
        measure(Path(folder).name, pictures_in([folder]))
    return figures

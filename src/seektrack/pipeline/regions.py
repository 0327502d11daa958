"""What is embedded of a frame beside the whole: proposed objects or tiles, so small things are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from seektrack.encoders import embed_and_measure
from seektrack.errors import InputError
from seektrack.geometry import Box, tiles
from seektrack.grounding import GroundSettings, embed_objects
from seektrack.library import FrameRow, Kind
from seektrack.types import Frame

if TYPE_CHECKING:
    from seektrack.pipeline.models import Models

Regions = Literal["objects", "tiles", "none"]
REGIONS: tuple[Regions, ...] = get_args(Regions)

MAX_OBJECTS = 24


def check_regions(regions: str) -> Regions:
    """The choice, if it is one.

    Raises:
        InputError: It is not.
    """
    for allowed in REGIONS:
        if regions == allowed:
            return allowed
    raise InputError(f"unknown regions {regions!r}", hint=f"use one of {', '.join(REGIONS)}")


def embed_frames(
    models: Models, frames: Sequence[Frame], regions: Regions, *, settings: GroundSettings
) -> list[FrameRow]:
    """Rows of some frames in order: the whole of each, then its regions.

    All pictures of a call are embedded together.
    """
    encoder = models.encoder
    whole, distances = embed_and_measure(encoder, [frame.image for frame in frames])
    rows: list[FrameRow] = []
    for n, (frame, vector) in enumerate(zip(frames, whole, strict=True)):
        distance = None if distances is None else float(distances[n])
        rows.append(FrameRow(frame.index, frame.timestamp, vector, distance=distance))
        boxes, kind = _boxes(models, frame, regions, settings)
        if not boxes:
            continue
        margin = settings.margin if kind == "object" else 0.0
        vectors = embed_objects(encoder, frame.image, boxes, [None] * len(boxes), margin=margin)
        rows += [
            FrameRow(frame.index, frame.timestamp, v, box, kind)
            for v, box in zip(vectors, boxes, strict=True)
        ]
    return rows


def _boxes(
    models: Models, frame: Frame, regions: Regions, settings: GroundSettings
) -> tuple[list[Box], Kind]:
    if regions == "tiles":
        return tiles(frame.hw), "tile"
    if regions == "none":
        return [], "frame"
    from seektrack.segmentation import propose

    proposals = propose(
        models.sam2, frame.image, points_per_side=settings.points_per_side, **settings.propose
    )
    ranked = sorted(
        (p for p in proposals if p.score >= settings.min_quality), key=lambda p: p.score, reverse=True
    )
    return [p.box for p in ranked[:MAX_OBJECTS]], "object"

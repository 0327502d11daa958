"""How alike crops of two things look to an encoder, and identity settings that go by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seektrack import geometry
from seektrack.encoders import Calibration, Encoder
from seektrack.grounding import embed_objects
from seektrack.tracking.engine import Engine
from seektrack.tracking.follow_settings import FollowSettings
from seektrack.tracking.settings import IdentitySettings
from seektrack.video import VideoSource

_MOST = 24
"""Proposals of a frame that are looked at, the best first."""
_FEWEST = 30
"""Pairs of things from which on their likeness is believed."""
_APART = 0.05
"""Boxes that overlap by no more than this are of two things."""
_NEAREST = 0.98
"""Most that two things are taken to be alike, for an encoder to which all is."""


def seen_by(
    settings: FollowSettings, engine: Engine, encoder: Encoder, source: VideoSource
) -> FollowSettings:
    """Settings whose cosines of looks are those of an encoder; as they are where somebody set their range.

    The range is the encoder's calibration's. For one that brings none it is measured on what the segmenter
    proposes on the first frame, where there is enough of it.
    """
    identity = settings.identity
    if identity.appearance_range != IdentitySettings().appearance_range:
        return settings
    own: Calibration | None = getattr(encoder, "calibration", None)
    known = (own.different, own.same) if own is not None else _measured(settings, engine, encoder, source)
    return settings if known is None else replace(settings, identity=identity.in_range(*known))


def _measured(
    settings: FollowSettings, engine: Engine, encoder: Encoder, source: VideoSource
) -> tuple[float, float] | None:
    if source.live:
        return None  # its first frame comes once
    first = next(iter(source), None)
    if first is None:
        return None
    proposals = engine.propose(engine.encode(first.image), settings.ground)
    boxes = [p.box for p in sorted(proposals, key=lambda p: -p.score)[:_MOST]]
    apart = np.triu(geometry.box_iou(np.array(boxes), np.array(boxes)) <= _APART, 1) if boxes else np.zeros(0)
    if apart.sum() < _FEWEST:
        return None
    seen = embed_objects(encoder, first.image, boxes, [None] * len(boxes), margin=settings.ground.margin)
    return min(float(np.median((seen @ seen.T)[apart])), _NEAREST), 1.0

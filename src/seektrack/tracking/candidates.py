"""What grounding finds on a frame, as the identity layer takes it: with a mask and a look at each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seektrack.grounding import Found, Grounder, Grounding
from seektrack.tracking.cues import cues_of
from seektrack.tracking.engine import Engine, masks_in
from seektrack.tracking.eyes import Eyes
from seektrack.tracking.memory import Detection
from seektrack.types import Frame, Mask


def candidates_on(
    frame: Frame,
    features: Any,
    *,
    engine: Engine,
    grounder: Grounder,
    eyes: Eyes,
    followed: Sequence[tuple[str, Mask]] = (),
) -> list[Detection]:
    """What a grounder finds on a frame, with a mask and a look at each.

    Args:
        frame: The frame.
        features: The engine's, of it.
        engine: Makes masks of boxes.
        grounder: Finds.
        eyes: Look.
        followed: Labels and masks the engine follows here, which may be parts of what is found.
    """
    found = _whole(frame, features, grounder.find(frame.image, features), engine, eyes)
    out = []
    for g in eyes.complete(frame.image, found, followed):
        claims = tuple(eyes.claims(g.embedding[None])[0].tolist()) if eyes.judges else ()
        out.append(
            Detection(
                g.box,
                g.mask,
                g.quality,
                None,
                g.embedding,
                g.confidence,
                g.label,
                claims=claims,
                cues=cues_of(frame.image, g.mask.to_array()),
            )
        )
    return out


def _whole(
    frame: Frame, features: Any, found: Sequence[Found], engine: Engine, eyes: Eyes
) -> list[Grounding]:
    """What was found with a mask and an appearance of each; what has no pixel is left out."""
    bare = [f.box for f in found if f.mask is None]
    made = iter(masks_in(engine, features, frame.index, bare))
    masks = [next(made) if f.mask is None else f.mask for f in found]
    held = [(f, m, m.box) for f, m in zip(found, masks, strict=True) if m is not None and m.box is not None]
    unseen = [m for f, m, _ in held if f.embedding is None]
    looks = iter(eyes.look(frame.image, unseen)[0] if unseen else ())
    return [
        Grounding(
            m, box, f.confidence, f.quality, next(looks) if f.embedding is None else f.embedding, f.label
        )
        for f, m, box in held
    ]

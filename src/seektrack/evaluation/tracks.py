"""One result against one truth, in the field's figures."""

from __future__ import annotations

from typing import Literal

from seektrack.errors import InputError
from seektrack.metrics import clear, frame_matches, hota, identity
from seektrack.types import Tracks


def compare_tracks(
    truth: Tracks, found: Tracks, *, by: Literal["box", "mask"] = "box", threshold: float = 0.5
) -> dict[str, float]:
    """HOTA, CLEAR and identity figures of a result.

    Args:
        truth: What is so.
        found: What a tracker says of the same video.
        by: Overlap of boxes or of masks.
        threshold: IoU from which two match, for MOTA and IDF1; HOTA averages over thresholds of its own.

    Returns:
        ``hota``, ``det_a``, ``ass_a``, ``loc_a``, ``mota``, ``motp`` (mean IoU of the matches),
        ``precision``, ``recall``, ``idf1``, ``idp``, ``idr``, and counts: ``tp``, ``fp``, ``fn``,
        ``switches``, ``fragments``, ``mostly_tracked``, ``mostly_lost``, ``objects``, ``tracks``, ``frames``.

    Raises:
        InputError: The truth has no visible observation, or none with a mask where masks are compared.
    """
    frames = frame_matches(truth, found, by=by)
    if not any(len(frame.gt_ids) for frame in frames):
        raise InputError(
            f"the truth holds no {by}es to compare with" if by == "box" else "the truth holds no masks",
            hint="compare by box, or name another file" if by == "mask" else "name another file",
        )
    order, counts = hota(frames), clear(frames, threshold=threshold)
    who = identity(frames, threshold=threshold)
    return {
        "hota": order.hota,
        "det_a": order.det_a,
        "ass_a": order.ass_a,
        "loc_a": order.loc_a,
        "mota": counts.mota,
        "motp": counts.motp,
        "precision": counts.precision,
        "recall": counts.recall,
        "idf1": who.idf1,
        "idp": who.idp,
        "idr": who.idr,
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "switches": counts.idsw,
        "fragments": counts.frag,
        "mostly_tracked": counts.mt,
        "mostly_lost": counts.ml,
        "objects": len(truth),
        "tracks": len(found),
        "frames": len(frames),
    }

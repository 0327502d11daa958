"""Results as pandas tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seektrack.errors import InputError
from seektrack.outputs import tables
from seektrack.outputs.optional import needed
from seektrack.retrieval import Chain
from seektrack.types import Hit, Moment, Tracks


def to_dataframe(found: Tracks | Iterable[Any]) -> Any:
    """A `pandas.DataFrame` of tracks, or of what a search found.

    Tracks: one row an observation under `tables.COLUMNS`, and its ``mask`` (a `Mask`, or None). Moments:
    video, start_s, end_s, confidence, and the key frame's index, time, score and box, and, where the videos
    are there, frames and time codes of start and end. Hits: video, frame_index, time_s, score, confidence and
    box. Chains: the moments of each step under ``chain`` and
    ``step``, from 1.

    Args:
        found: `Tracks`, or moments, hits or chains, all of one kind.

    Raises:
        InputError: pandas is not installed, or it is something else.
    """
    from seektrack.retrieval import codes_of

    pd = needed("pandas", "pandas")
    if isinstance(found, Tracks):
        table = pd.DataFrame(tables.rows(found), columns=list(tables.COLUMNS))
        pairs = ((o.frame_index, t.obj_id, o.mask) for t in found for o in t.observations)
        table["mask"] = pd.Series([m for *_, m in sorted(pairs, key=lambda p: p[:2])], dtype=object)
        return table
    rows: list[dict[str, Any]] = []
    moments: list[Moment] = []
    for number, one in enumerate(found, 1):
        if isinstance(one, Hit):
            rows.append(_hit(one))
        elif isinstance(one, Chain):
            steps = enumerate(one.moments, 1)
            rows += [{"chain": number, "step": step, **_moment(moment)} for step, moment in steps]
            moments += one.moments
        elif isinstance(one, Moment):
            rows.append(_moment(one))
            moments.append(one)
        else:
            raise InputError(
                f"no table can be made of {type(one).__name__}", hint="give tracks, moments, hits or chains"
            )
    for row, codes in zip(rows, codes_of(moments) if moments else [{}] * len(rows), strict=True):
        row.update(codes)
    return pd.DataFrame(rows)


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "video": hit.video,
        "frame_index": hit.frame_index,
        "time_s": hit.time_s,
        "score": hit.score,
        "confidence": hit.confidence,
        "box": hit.box,
    }


def _moment(moment: Moment) -> dict[str, Any]:
    key = _hit(moment.key)
    named = {f"key_{name}": key[name] for name in ("frame_index", "time_s", "score", "box")}
    span = {"video": moment.video, "start_s": moment.start_s, "end_s": moment.end_s}
    return {**span, "confidence": moment.confidence, **named}

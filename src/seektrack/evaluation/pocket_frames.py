"""Whole frames found by captions that name several things: thing by thing, over tiles, as search does it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, view_picture
from seektrack.geometry import crop_square, tiles
from seektrack.retrieval.parts import joint_probability
from seektrack.retrieval.query import prepare_query

Image = NDArray[np.uint8]


def tiled_frame_figures(
    encoder: Encoder, frames: Sequence[Image], captions: Sequence[str]
) -> dict[str, float]:
    """Text to frame when a frame is its 34 tiles and itself, and a caption the things it names.

    The same functions as in search do it (``index --regions tiles``); each picture is one frame, without
    neighbours in time.

    Args:
        encoder: Whose spaces are measured.
        frames: F pictures, uint8 (H, W, 3).
        captions: One of each, no two alike.

    Returns:
        ``text_to_frame_r1_tiles`` and ``text_to_frame_r5_tiles``, shares of captions whose frame comes first,
        or among the first five.
    """
    vectors, keys = [], []
    for number, frame in enumerate(frames):
        boxes = tiles((frame.shape[0], frame.shape[1]))
        pictures = [frame, *(crop_square(frame, box, encoder.image_size) for box in boxes)]
        vectors.append(view_picture(encoder, frame).embed(pictures))
        keys += [number] * len(pictures)
    rows, of_frame = np.concatenate(vectors), np.array(keys)
    starts = np.flatnonzero(np.diff(of_frame, prepend=-1))
    seen: dict[str, NDArray[np.float64]] = {}
    rank = []
    for number, caption in enumerate(captions):
        query = prepare_query(encoder, caption)
        asked = query.parts or (query,)
        for part in asked:
            if part.text not in seen:
                seen[part.text] = part.probability(rows)
        joint = joint_probability(np.stack([seen[part.text] for part in asked]), of_frame)
        belief = np.maximum.reduceat(joint, starts)
        rank.append(int((belief > belief[number]).sum()))
    found = np.array(rank)
    return {f"text_to_frame_r{k}_tiles": round(float((found < k).mean()), 4) for k in (1, 5)}

"""Picture in, hits out: what of a library looks like it, and how far to believe that it shows the same.

Two pictures of one encoder are never far apart, and how near two pictures of the same are is the encoder's
own (`Calibration.alike`). So the cosine is told as a belief: one half where pictures of the same thing and of
two things part, and nothing is an answer that is not more likely than not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.encoders import Calibration, Encoder, embed_and_measure
from seektrack.errors import InputError
from seektrack.library import DistanceShelf, LibraryStore, Where
from seektrack.retrieval.calibrate import calibrated
from seektrack.retrieval.confidence import sigmoid
from seektrack.retrieval.scores import Scores, known_video
from seektrack.types import Hit

SAME_REGION_IOU = 0.5
PER_VIDEO = 3
SURE_AT_ONE = 4.0
"""Log odds of a cosine of 1."""
MOST = 4096
"""Rows nearest to the picture that are looked through for those of other videos."""


def search_image(
    store: LibraryStore,
    encoder: Encoder,
    image: NDArray[np.uint8],
    *,
    k: int = 20,
    where: Where | None = None,
) -> list[Hit]:
    """Frames and regions that look like a picture, best first; none when nothing does.

    Args:
        store: Where to look.
        encoder: The encoder the library was made with.
        image: RGB uint8 (H, W, 3).
        k: At most so many hits.
        where: Only there; unless it says otherwise, what is believed at least 0.5, and three of one video
            while others have some to show.

    Raises:
        InputError: The image is not RGB uint8, or ``k`` is below 1.
        LibraryMismatchError: The library was made by another encoder.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    store.require(model=encoder.name, fingerprint=encoder.fingerprint)
    vectors, distances = embed_and_measure(encoder, [image])
    foreign = distances is not None and float(distances[0]) > 1
    there = known_video(store, where)
    least = 0.5 if there.min_confidence is None else there.min_confidence
    lowest = -1.0 if there.min_score is None else there.min_score
    ids, cosine = store.nearest(vectors[0], max(MOST, 4 * k), where=there)
    kept, rows = store.vectors_by_id(ids)
    by_id = dict(zip(ids.tolist(), cosine.tolist(), strict=True))
    cosines = np.array([by_id[i] for i in rows.ids.tolist()], dtype=np.float32)
    scores = Scores(rows, cosines, (), kept, known=DistanceShelf(store).known())
    beliefs = likeness(cosines, calibrated(encoder, store))
    unknown = scores.outside() | foreign
    order = np.lexsort((-cosines, unknown))
    hits = distinct(
        scores,
        ((int(i), float(beliefs[i])) for i in order if beliefs[i] >= least and cosines[i] >= lowest),
        k,
        per_video=there.per_video or PER_VIDEO,
        strictly=there.per_video is not None,
    )
    return [replace(hit, domain="outside") if foreign else hit for _, hit in hits]


def likeness(cosine: NDArray[np.floating], calibration: Calibration) -> NDArray[np.float64]:
    """Belief (N,) in [0, 1] that two pictures of some cosines (N,) show the same."""
    slope = SURE_AT_ONE / max(1 - calibration.alike, 1e-3)
    return sigmoid((np.asarray(cosine, dtype=np.float64) - calibration.alike) * slope)


def distinct(
    scores: Scores,
    ranked: Iterable[tuple[int, float]],
    k: int,
    *,
    per_video: int | None = None,
    strictly: bool = False,
) -> list[tuple[int, Hit]]:
    """The first ``k`` rows and their hits, without regions that repeat a better one of the same frame.

    Args:
        scores: Whose rows.
        ranked: Rows and beliefs, best first.
        k: At most so many.
        per_video: At most so many of one video.
        strictly: Also where the other videos have nothing more to show.
    """
    taken: dict[tuple[str, int], list[geometry.Box]] = {}
    counts: Counter[str] = Counter()
    hits: list[tuple[int, int, Hit]] = []
    more: list[tuple[int, int, Hit]] = []
    for place, (row, confidence) in enumerate(ranked):
        hit = scores.hit(row, confidence)
        others = taken.setdefault((hit.video, hit.frame_index), [])
        if hit.box is not None:
            if others and geometry.box_iou(np.array([hit.box]), np.array(others)).max() >= SAME_REGION_IOU:
                continue
            others.append(hit.box)
        fits = per_video is None or counts[hit.video] < per_video
        (hits if fits else more).append((place, row, hit))
        counts[hit.video] += 1
        if len(hits) == k:
            break
    kept = sorted(hits if strictly else hits + more[: k - len(hits)], key=lambda one: one[0])
    return [(row, hit) for _, row, hit in kept]

"""What an encoder's scores mean, learnt from the library it made: for encoders that bring no calibration.

A library shows few of the many things there are names for. So the names the encoder competes with are asked
of it as a person would ask, and how they score tells what an absent name scores: the middle of them and their
spread below it, for those that are really there lie above. A name has to stand clear of that to be believed.
How much neighbouring frames repeat each other, and how alike crops of two things are, is read from it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.encoders import Calibration, Encoder, contrast_texts, embed_queries
from seektrack.library import KINDS, LibraryStore, Rows
from seektrack.retrieval.confidence import ConfidenceSettings, frame_best, log_odds, temporal_evidence
from seektrack.retrieval.query import TextQuery, prepare_query

NAMES = 60
"""Names asked; more tell little more."""
FRAMES = 1500
"""Frames they are asked of, of a larger library."""
CLEAR = 4.0
"""Spreads above what absent names score that a name has to score."""
LEAST, USUAL_MOST, MOST = 0.8, 0.9, 0.999
"""Between the first and the last lies every derived threshold, below the second where many names show."""
MANY = 0.3
"""Share of the names that are surely found from which on many are there: a picture shows few names, so an
encoder to which all is alike cannot be sure of so many."""
_FEWEST_FRAMES = 8
_QUARTILE = 0.6745
"""Of a normal distribution, in standard deviations from the middle."""
Floats = NDArray[np.float64]


def calibrated(encoder: Encoder, store: LibraryStore | None = None) -> Calibration:
    """The encoder's own calibration, or one derived from a library, or else the usual numbers.

    Args:
        encoder: Its ``calibration`` is taken where it has one.
        store: A library it made; what is derived is kept beside it until the library changes.
    """
    own: Calibration | None = getattr(encoder, "calibration", None)
    if own is not None or store is None:
        return own or Calibration()
    key = "\x1f".join(["calibration/2", encoder.fingerprint, store.generation()])
    kept = store.cached_array(key)
    names = list(asdict(Calibration()))
    if kept is not None and kept.shape == (len(names),):
        return Calibration(**{n: round(float(v), 4) for n, v in zip(names, kept, strict=True)})
    found = derive(store, encoder)
    store.keep_array(key, np.array(list(asdict(found).values()), dtype=np.float32))
    return found


def confidence_settings(calibration: Calibration) -> ConfidenceSettings:
    """How scores become beliefs, by a calibration."""
    return ConfidenceSettings(
        temperature=calibration.temperature,
        max_cosine=calibration.max_cosine,
        weight=calibration.weight,
    )


def derive(store: LibraryStore, encoder: Encoder) -> Calibration:
    """A calibration from what a library holds; the usual numbers where it holds too little to tell."""
    vectors, rows = _sample(store)
    if len(np.unique(rows.frame_indices)) < _FEWEST_FRAMES:
        return Calibration()
    usual = Calibration()
    texts = contrast_texts(encoder)
    near = _crowded(embed_queries(encoder, texts), usual.max_cosine)
    settings = replace(confidence_settings(usual), max_cosine=near)
    queries = [
        prepare_query(encoder, name, settings=settings, store=store)
        for name in texts[:: max(1, len(texts) // NAMES)]
    ]
    series = _series(queries, vectors, rows, settings)
    weight = _independence(series)
    settings = replace(settings, weight=weight)
    best = [
        max(
            float(temporal_evidence(p[q], times, settings).max()) for p, times in series
        )
        for q in range(len(queries))
    ]  # fmt: skip
    different, same, alike = _looks(vectors, rows)
    numbers = {
        "min_confidence": _clear_of(np.array(best)),
        "weight": weight,
        "max_cosine": near,
        "different": different,
        "same": same,
        "alike": alike,
    }
    return Calibration(**{name: round(float(value), 4) for name, value in numbers.items()})


def _sample(store: LibraryStore) -> tuple[NDArray[np.float32], Rows]:
    """Stretches of frames from every video, `FRAMES` in all at most, with their regions."""
    vectors, rows = store.vectors()
    keys = rows.video_ids * (int(rows.frame_indices.max(initial=0)) + 1) + rows.frame_indices
    frames = np.unique(keys)
    if len(frames) > FRAMES:
        step = len(frames) / (FRAMES // 30)
        starts = (np.arange(FRAMES // 30) * step).astype(int)
        chosen = frames[np.unique((starts[:, None] + np.arange(30)).ravel().clip(0, len(frames) - 1))]
        which = np.flatnonzero(np.isin(keys, chosen))
        vectors, rows = vectors[which], rows.take(which)
    return np.asarray(vectors, dtype=np.float32), rows


def _crowded(vectors: NDArray[np.float32], usual: float) -> float:
    """The cosine from which on two texts say the same, for an encoder to which all texts are alike."""
    between = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    return float(min(max(usual, np.quantile(between, 0.98)), 1.0))


def _series(
    queries: Sequence[TextQuery], vectors: NDArray[np.float32], rows: Rows, settings: ConfidenceSettings
) -> list[tuple[Floats, Floats]]:
    """Of each video the probability of each query on each frame, (Q, T), and the frames' times (T,)."""
    every = np.stack([query.probability(vectors, settings) for query in queries])
    out = []
    for video in np.unique(rows.video_ids):
        members = np.flatnonzero(rows.video_ids == video)
        frames = rows.frame_indices[members]
        unique, first = frame_best(frames, -frames.astype(np.float64))
        at = np.searchsorted(unique, frames)
        best = np.zeros((len(queries), len(unique)))
        for row, own in zip(every[:, members], best, strict=True):
            np.maximum.at(own, at, row)
        out.append((best, rows.times[members][first]))
    return out


def _independence(series: Sequence[tuple[Floats, Floats]]) -> float:
    """What a neighbouring frame is worth: (1 − r) / (1 + r), r being how alike neighbours' evidence is.

    So many independent witnesses are n repeating themselves with correlation r from one to the next.
    """
    alike, total = 0.0, 0.0
    for probability, _ in series:
        evidence = log_odds(np.clip(probability, 1e-6, 1 - 1e-6))
        evidence -= np.median(evidence, axis=1, keepdims=True)
        alike += float((evidence[:, 1:] * evidence[:, :-1]).sum())
        total += float((evidence[:, 1:] ** 2).sum())
    r = min(max(alike / max(total, 1e-12), 0.0), 0.98)
    return (1 - r) / (1 + r)


def _clear_of(best: Floats) -> float:
    """A threshold clear of what names score that are not there, from the best score of each of some names."""
    odds = log_odds(np.clip(best, 1e-9, 1 - 1e-9))
    # At least half of the names are taken to be absent: the lower quarter of all is their middle.
    middle, low = float(np.quantile(odds, 0.25)), float(np.quantile(odds, 0.125))
    spread = (middle - low) / _QUARTILE
    clear = 1 / (1 + np.exp(-np.clip(middle + CLEAR * spread, -30, 30)))
    most = USUAL_MOST if (best > USUAL_MOST).mean() > MANY else MOST
    return float(np.clip(clear, LEAST, most))


def _looks(vectors: NDArray[np.float32], rows: Rows) -> tuple[float, float, float]:
    """Cosines of crops of two things, of the same thing, and the one that parts the two best."""
    apart: list[float] = []
    again: list[float] = []
    objects = np.flatnonzero(rows.kinds != KINDS.index("frame"))
    keys = np.stack([rows.video_ids[objects], rows.frame_indices[objects]], axis=1)
    groups = [objects[(keys == key).all(axis=1)] for key in np.unique(keys, axis=0)[:400]]
    for now, then in zip(groups, [*groups[1:], groups[:0]][: len(groups)], strict=True):
        cosines = vectors[now] @ vectors[now].T
        overlap = geometry.box_iou(rows.boxes[now], rows.boxes[now])
        apart += cosines[(overlap < 0.05) & ~np.eye(len(now), dtype=bool)].tolist()
        if len(then) and rows.video_ids[now[0]] == rows.video_ids[then[0]]:
            moved = geometry.box_iou(rows.boxes[now], rows.boxes[then])
            again += (vectors[now] @ vectors[then].T)[moved > 0.7].tolist()
    usual = Calibration()
    if len(apart) < 30:
        return usual.different, usual.same, usual.alike
    different = float(np.median(apart))
    high = float(np.median(again)) if len(again) >= 30 else 1.0
    alike = max((float(np.quantile(apart, 0.99)) + high) / 2, different)
    return min(different, 0.98), 1.0, min(alike, 1.0)

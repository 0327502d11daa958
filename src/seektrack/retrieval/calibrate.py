"""What an encoder's scores mean, learnt from the library it made: for encoders that bring no calibration.

A threshold is right where what is not there stays below it, on whichever of all the frames it looks most like
it. So names of nothing, made-up words, are asked of the library as a person would ask, and how their best
frames score tells what any absent name scores (conformal prediction, Vovk et al., 2005). Where a library is
too large to be looked at whole, the best of more frames is told from how it grows from half of those looked
at to all (extreme value theory: by the same step with every doubling). The names the encoder competes with
are asked too: a name has to stand clear of the lower half of them, which a library that shows few things
cannot show. How much neighbouring frames repeat each other is read from the names of nothing as well, since
an encoder that takes one for something does so on every frame alike; how alike crops of two things are, from
the library's objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from seektrack import geometry
from seektrack.encoders import Calibration, Encoder, colours_of, embed_queries
from seektrack.encoders.contrast import names_of_nothing, names_that_compete
from seektrack.library import KINDS, LibraryStore, Rows
from seektrack.retrieval.confidence import (
    BLOCK,
    ConfidenceSettings,
    competitors,
    log_odds,
    sigmoid,
    temporal_evidence,
)
from seektrack.retrieval.query import Preparer, preparer

NAMES = 60
"""Names asked; more tell little more."""
FRAMES = 1500
"""Frames they are asked of, of a larger library."""
CLEAR = 4.0
"""Spreads above what absent names score that a name has to score."""
LEAST, USUAL_MOST, MOST = 0.8, 0.9, 1 - 1e-6
"""Between the first and the last lies every derived threshold; names that compete ask for no more than the
second where many of them show."""
SHARE = 0.02
"""Of absent names that may be believed on some frame."""
MANY = 0.3
"""Share of the names that are surely found from which on many are there: a picture shows few names, so an
encoder to which all is alike cannot be sure of so many."""
_FEWEST_FRAMES = 8
_VERSION = "calibration/4"
_DIGITS = 7
_STRETCH = 30
"""Frames of one place, of a larger library."""
_ABOVE = 1e-3
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
    key = "\x1f".join([_VERSION, encoder.fingerprint, store.generation()])
    kept = store.cached_array(key)
    names = list(asdict(Calibration()))
    if kept is not None and kept.shape == (len(names),):
        return Calibration(**{n: round(float(v), _DIGITS) for n, v in zip(names, kept, strict=True)})
    found = derive(store, encoder)
    store.keep_array(key, np.array(list(asdict(found).values())))
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
    vectors, rows, doublings = _sample(store)
    if len(np.unique(np.stack([rows.video_ids, rows.frame_indices]), axis=1)[0]) < _FEWEST_FRAMES:
        return Calibration()
    usual = Calibration()
    ready = preparer(encoder, store=store)
    near = _crowded(ready.vectors, usual.max_cosine)
    settings = replace(confidence_settings(usual), max_cosine=near)
    ready, names = replace(ready, settings=settings), names_that_compete(encoder)
    nothing = _by_video(_probability(ready, names_of_nothing(), vectors, store), rows)
    shown = _by_video(_probability(ready, names[:: max(1, len(names) // NAMES)], vectors, store), rows)
    weight = _independence(nothing)
    settings = replace(settings, weight=weight)
    different, same, alike = _looks(vectors, rows)
    numbers = {
        "min_confidence": max(
            _clear_of(_best(shown, settings)), _above_nothing(nothing, settings, doublings)
        ),
        "weight": weight,
        "max_cosine": near,
        "different": different,
        "same": same,
        "alike": alike,
    }
    return Calibration(**{name: round(float(value), _DIGITS) for name, value in numbers.items()})


def _sample(store: LibraryStore) -> tuple[NDArray[np.float32], Rows, float]:
    """Stretches of frames from every video, `FRAMES` in all at most, with their regions.

    The last value is how often they have to be doubled to make all of the library.
    """
    vectors, rows = store.vectors()
    keys = rows.video_ids * (int(rows.frame_indices.max(initial=0)) + 1) + rows.frame_indices
    frames = np.unique(keys)
    if len(frames) <= FRAMES:
        return np.asarray(vectors, dtype=np.float32), rows, 0.0
    step = len(frames) / (FRAMES // _STRETCH)
    starts = (np.arange(FRAMES // _STRETCH) * step).astype(int)
    chosen = frames[np.unique((starts[:, None] + np.arange(_STRETCH)).ravel().clip(0, len(frames) - 1))]
    which = np.flatnonzero(np.isin(keys, chosen))
    taken = np.asarray(vectors[which], dtype=np.float32)
    return taken, rows.take(which), math.log2(len(frames) / len(chosen))


def _probability(
    ready: Preparer, names: Sequence[str], vectors: NDArray[np.float32], store: LibraryStore
) -> Floats:
    """Probability of each name on each picture, (Q, N), as it would be when asked for.

    The names' embeddings are kept beside the library, as they stay the same while it grows.
    """
    key = "\x1f".join(["names", ready.encoder.fingerprint, *names])
    kept = store.cached_array(key)
    asked = kept if kept is not None and kept.shape == (len(names), ready.encoder.dim) else None
    if asked is None:
        asked = embed_queries(ready.encoder, names)
        store.keep_array(key, asked)
    by_colours: dict[tuple[str, ...], list[int]] = {}
    for i, name in enumerate(names):
        by_colours.setdefault(colours_of(ready.encoder, name), []).append(i)
    out = np.empty((len(names), len(vectors)))
    for which in by_colours.values():
        some = [names[i] for i in which]
        out[which] = _shares(ready, some, asked[which], ready.contrast(some[0]), vectors)
    return out


def _shares(
    ready: Preparer,
    names: Sequence[str],
    asked: NDArray[np.float32],
    rivals: NDArray[np.float32],
    vectors: NDArray[np.float32],
) -> Floats:
    """Probability of names (Q, D) that ask for the same colours, on each picture: (Q, N)."""
    most = ready.settings.max_cosine
    competes = np.stack(
        [
            competitors(name, vector, ready.texts, rivals, max_cosine=most, kinds=ready.kinds)
            for name, vector in zip(names, asked, strict=True)
        ]
    ).astype(np.float64)
    scale = ready.encoder.logit_scale / ready.settings.temperature
    out = np.empty((len(names), len(vectors)))
    for start in range(0, len(vectors), BLOCK):
        some = vectors[start : start + BLOCK]
        against = (some @ rivals.T).astype(np.float64) * scale
        highest = against.max(axis=1, keepdims=True)
        rest = np.log(np.exp(against - highest) @ competes.T + 1e-300)
        out[:, start : start + BLOCK] = sigmoid(((some @ asked.T) * scale - highest - rest).T)
    return out


def _crowded(vectors: NDArray[np.float32], usual: float) -> float:
    """The cosine from which on two texts say the same, for an encoder to which all texts are alike."""
    between = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    return float(min(max(usual, np.quantile(between, 0.98)), 1.0))


def _by_video(every: Floats, rows: Rows) -> list[tuple[Floats, Floats]]:
    """Of each video what (Q, N) pictures show at most on each frame, (Q, T), and the frames' times (T,)."""
    out = []
    for video in np.unique(rows.video_ids):
        members = np.flatnonzero(rows.video_ids == video)
        frames = rows.frame_indices[members]
        unique, first = np.unique(frames, return_index=True)
        at = np.searchsorted(unique, frames)
        best = np.zeros((len(every), len(unique)))
        for row, own in zip(every[:, members], best, strict=True):
            np.maximum.at(own, at, row)
        out.append((best, rows.times[members][first]))
    return out


def _independence(nothing: Sequence[tuple[Floats, Floats]]) -> float:
    """What a neighbouring frame is worth: (1 − r) / (1 + r), r being how alike neighbours err.

    So many independent witnesses are n repeating themselves with correlation r from one to the next. An error
    is what the evidence for a name of nothing differs by from that for all of them.
    """
    alike, total = 0.0, 0.0
    for probability, _ in nothing:
        error = log_odds(np.clip(probability, 1e-6, 1 - 1e-6))
        error -= error.mean()
        alike += float((error[:, 1:] * error[:, :-1]).sum())
        total += float((error[:, 1:] ** 2 + error[:, :-1] ** 2).sum()) / 2
    r = min(max(alike / max(total, 1e-12), 0.0), 1.0)
    return (1 - r) / (1 + r)


def _best(series: Sequence[tuple[Floats, Floats]], settings: ConfidenceSettings) -> Floats:
    """The belief in each of Q names on the frame that shows it best, (Q,)."""
    count = len(series[0][0])
    best = [np.array([temporal_evidence(row, times, settings).max() for row in p]) for p, times in series]
    return np.asarray(np.max(best, axis=0) if best else np.zeros(count), dtype=np.float64)


def _above_nothing(
    nothing: Sequence[tuple[Floats, Floats]], settings: ConfidenceSettings, doublings: float
) -> float:
    """A threshold that all but `SHARE` of the names of nothing stay below, on the frame that shows them best.

    Args:
        nothing: Their probability on the frames of each video.
        settings: How frames make beliefs.
        doublings: How often the frames have to be doubled to make all of the library.
    """
    best = _best(nothing, settings)
    odds = np.sort(log_odds(np.clip(best, 1e-9, 1 - 1e-9)))
    rank = min(math.ceil((len(odds) + 1) * (1 - SHARE)), len(odds))
    found = float(odds[rank - 1])
    if doublings > 0:
        found += doublings * _growth(nothing, settings)
    return float(np.clip(sigmoid(np.array(found + _ABOVE)), LEAST, MOST))


def _growth(nothing: Sequence[tuple[Floats, Floats]], settings: ConfidenceSettings) -> float:
    """By how much the best of twice as many frames is higher, in log odds; a half is of whole stretches."""
    best: list[list[Floats]] = [[], []]
    side = 0
    for probability, times in nothing:
        for start in range(0, len(times), _STRETCH):
            piece = slice(start, start + _STRETCH)
            best[side].append(_best([(probability[:, piece], times[piece])], settings))
            side = 1 - side
    if not all(best):
        return 0.0
    half = [np.max(one, axis=0) for one in best]
    odds = [log_odds(np.clip(one, 1e-9, 1 - 1e-9)) for one in (*half, np.maximum(*half))]
    return max(float((odds[2] - (odds[0] + odds[1]) / 2).mean()), 0.0)


def _clear_of(best: Floats) -> float:
    """A threshold clear of what names score that are not there, from the best score of each of some names."""
    odds = log_odds(np.clip(best, 1e-9, 1 - 1e-9))
    # At least half of the names are taken to be absent: the lower quarter of all is their middle.
    middle, low = float(np.quantile(odds, 0.25)), float(np.quantile(odds, 0.125))
    spread = (middle - low) / _QUARTILE
    clear = float(sigmoid(np.array(middle + CLEAR * spread)))
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

"""How good a pocket text encoder is, on scenes of the procedural world it was not trained on.

Everything goes through `seektrack.encoders`, so the figures are those of the product's own path from pixels
to embeddings. A figure is a share in [0, 1] unless its name says otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, load_encoder
from seektrack.errors import InputError
from seektrack.evaluation.pocket_frames import tiled_frame_figures
from seektrack.evaluation.pocket_parity import THROUGH, TransformersClip
from seektrack.evaluation.pocket_rich import evaluate_rich
from seektrack.evaluation.pocket_set import PocketSet, collect
from seektrack.evaluation.pocket_words import PARAPHRASES, UNKNOWN_WORDS, foreign_labels
from seektrack.world import CATEGORIES, COLOURS, vocabulary

Floats = NDArray[np.floating]
N_COLOURS = len(COLOURS)
N_LABELS = len(CATEGORIES) * N_COLOURS
STREET = frozenset(CATEGORIES) - {"cup", "block"}
SMALL_BOX = 24.0
ACCEPTED = 0.5


def evaluate_clip(
    folder: str | Path, *, crops: int = 1500, frames: int = 200, start: int = 0, through: str = "seektrack"
) -> dict[str, Any]:
    """Measure a CLIP folder on held-out scenes, through the product's encoder or transformers' classes.

    Args:
        folder: What `seektrack.encoders.load_encoder` takes: a folder, or ``"pocket"``.
        crops: Object crops to name.
        frames: Frames, each with a caption of its own, to be found from their captions.
        start: Where in the validation seeds the scenes begin.
        through: ``seektrack`` or ``transformers``.

    Returns:
        ``crop90`` (the ten street categories × nine colours, crops of those only), ``crop108``, ``category``,
        ``colour``; ``crop108_shifted`` (boxes disturbed as proposals are), ``crop108_small`` (box side below
        24 px), ``crop108_paraphrased``, ``crop108_de``, ``_fr``, ``_es``; ``text_to_crop_p1``;
        ``text_to_frame_r1``, ``text_to_frame_r5``, ``frame_object_p1`` (one object asked of whole frames);
        ``text_to_frame_r1_tiles``, ``_r5_tiles`` (the same captions thing by thing, over tiles);
        ``background_false_accept``, ``thing_false_accept`` (crops of nothing and of nameless things given a
        label at p ≥ 0.5); ``unknown_false_accept`` (object crops that a word outside the vocabulary claims at
        p ≥ 0.5); ``recall_at_half`` (object crops whose own label reaches p ≥ 0.5); ``calibration_error`` and
        ``calibration`` (rows of: share of crops, mean confidence, share right); what
        :func:`seektrack.evaluation.pocket_rich.evaluate_rich` measures, its names ending in ``_rich``; counts
        and ``logit_scale``.

    Raises:
        InputError: Fewer than one crop or frame asked for, or ``through`` is unknown.
        ModelError: The folder holds no usable model.
    """
    if crops < 1 or frames < 1:
        raise InputError(
            f"cannot measure on {crops} crops and {frames} frames", hint="ask for at least 1 of each"
        )
    if through not in THROUGH:
        raise InputError(f"cannot measure through {through!r}", hint=f"take {' or '.join(THROUGH)}")
    encoder: Encoder = load_encoder(folder) if through == "seektrack" else TransformersClip(folder)
    found = collect(encoder.image_size, crops=crops, frames=frames, start=start)
    figures = named_and_found(encoder, found)
    figures |= tiled_frame_figures(encoder, found.frames, found.captions)
    figures |= evaluate_rich(encoder, crops=crops, frames=frames, start=start)
    return figures | {
        "logit_scale": round(encoder.logit_scale, 2),
        "n_crops": len(found.crops),
        "n_frames": len(found.frames),
    }


def named_and_found(encoder: Encoder, found: PocketSet) -> dict[str, Any]:
    """The figures of :func:`evaluate_clip` over crops and whole frames of plain scenes."""
    return _crop_figures(encoder, found) | _frame_figures(encoder, found)


def probabilities(images: Floats, labels: Floats, background: Floats, scale: float) -> NDArray[np.float64]:
    """Softmax over labels and background; the backgrounds count as one class, the last.

    Args:
        images: (N, D) unit rows.
        labels: (L, D) unit rows.
        background: (M, D) unit rows.
        scale: What cosines are multiplied by.

    Returns:
        (N, L + 1) rows that sum to 1.
    """
    logits = scale * np.asarray(images, np.float64) @ np.concatenate([labels, background]).T
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    return np.concatenate([p[:, : len(labels)], p[:, len(labels) :].sum(1, keepdims=True)], axis=1)


def calibration(
    confidence: Floats, right: NDArray[np.bool_], *, bins: int = 10
) -> tuple[float, list[list[float]]]:
    """Expected calibration error, and per bin of confidence: share of all, mean confidence, share right.

    Equal-width bins (Guo et al., On Calibration of Modern Neural Networks, 2017); empty ones are left out.
    """
    which = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    rows = []
    for b in range(bins):
        here = which == b
        if here.any():
            rows.append([float(here.mean()), float(np.mean(confidence[here])), float(right[here].mean())])
    return float(sum(share * abs(mean - truth) for share, mean, truth in rows)), rows


def _share(values: Any) -> float:
    values = np.asarray(values)
    return round(float(values.mean()), 4) if values.size else float("nan")


def _crop_figures(encoder: Encoder, found: PocketSet) -> dict[str, Any]:
    words = vocabulary()
    labels, background = encoder.embed_texts(words["labels"]), encoder.embed_texts(words["background"])
    scale, y = encoder.logit_scale, found.labels
    images = encoder.embed_images(found.crops)
    p = probabilities(images, labels, background, scale)
    best = p[:, :N_LABELS].argmax(1)
    street = np.array([name in STREET for name in CATEGORIES])[y // N_COLOURS]
    street_labels = np.flatnonzero([name in STREET for name in CATEGORIES for _ in COLOURS])
    best_street = street_labels[p[:, street_labels].argmax(1)]

    def named(texts: list[str]) -> float:
        return _share((images @ encoder.embed_texts(texts).T).argmax(1) == y)

    def refused(pictures: list[NDArray[np.uint8]]) -> float:
        return _share(
            probabilities(encoder.embed_images(pictures), labels, background, scale)[:, :N_LABELS].max(1)
            >= ACCEPTED
        )

    similarity = images @ labels.T
    present = np.unique(y)
    blanks = probabilities(encoder.embed_images(found.blanks), labels, background, scale)
    every, truth = np.concatenate([p, blanks]), np.concatenate([y, np.full(len(blanks), N_LABELS)])
    error, table = calibration(every.max(1), every.argmax(1) == truth)
    shifted = encoder.embed_images(found.shifted)
    unknown = encoder.embed_texts([f"a {word}" for word in UNKNOWN_WORDS])
    against = scale * images @ np.concatenate([labels, background]).T
    partition = np.logaddexp.reduce(against, axis=1)[:, None]
    claimed = 1 / (1 + np.exp(partition - scale * images @ unknown.T))
    return {
        "crop90": _share(best_street[street] == y[street]),
        "crop108": _share(best == y),
        "category": _share(best // N_COLOURS == y // N_COLOURS),
        "colour": _share(best % N_COLOURS == y % N_COLOURS),
        "crop108_shifted": _share((shifted @ labels.T).argmax(1) == y),
        "crop108_small": _share((best == y)[found.sides < SMALL_BOX]),
        "crop108_paraphrased": _share(
            [_paraphrased(encoder, images, labels, y, text, label) for text, label in PARAPHRASES]
        ),
        **{f"crop108_{language}": named(texts) for language, texts in foreign_labels().items()},
        "text_to_crop_p1": _share([y[similarity[:, q].argmax()] == q for q in present]),
        "recall_at_half": _share(p[np.arange(len(y)), y] >= ACCEPTED),
        "background_false_accept": _share(blanks[:, :N_LABELS].max(1) >= ACCEPTED),
        "thing_false_accept": refused(found.things),
        "unknown_false_accept": _share(claimed >= ACCEPTED),
        "calibration_error": round(error, 4),
        "calibration": [[round(v, 3) for v in row] for row in table],
    }


def _paraphrased(
    encoder: Encoder, images: Floats, labels: Floats, y: NDArray[np.int64], text: str, label: int
) -> float:
    """Share of a label's crops still named right when ``text`` replaces its words; its recall."""
    changed = labels.copy()
    changed[label] = encoder.embed_texts([text])[0]
    mine = images[y == label]
    return float(((mine @ changed.T).argmax(1) == label).mean()) if len(mine) else float("nan")


def _frame_figures(encoder: Encoder, found: PocketSet) -> dict[str, Any]:
    images = encoder.embed_images(found.frames)
    similarity = images @ encoder.embed_texts(found.captions).T
    rank = (similarity > np.diag(similarity)[None]).sum(0)
    labels = encoder.embed_texts(vocabulary()["labels"])
    shows = np.zeros((len(found.frames), N_LABELS), bool)
    for row, numbers in enumerate(found.shown):
        shows[row, numbers] = True
    asked = np.flatnonzero(shows.any(0))
    best = (images @ labels.T).argmax(0)
    return {
        "text_to_frame_r1": _share(rank < 1),
        "text_to_frame_r5": _share(rank < 5),
        "frame_object_p1": _share([shows[best[q], q] for q in asked]),
    }

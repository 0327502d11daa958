"""Before and after of a temporal encoder: where held-out videos and moments find their texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import load_encoder
from seektrack.encoders.temporal import TemporalEncoder
from seektrack.errors import InputError
from seektrack.training.datasets.text_items import TextItem
from seektrack.training.finetune.batches import match_matrix
from seektrack.training.finetune.data import distinct_texts
from seektrack.training.report import Card, Example, write_report

FRAMES = 3
"""Frames drawn of each example."""


def report_moments(
    recipe: Any,
    items: Sequence[TextItem],
    views: NDArray[np.floating],
    out: Path,
    *,
    model: str,
    data: str,
    figures: dict[str, Any],
) -> dict[str, Any]:
    """Write the report and the model card.

    Args:
        recipe: Of the training.
        items: What is held out.
        views: Features of its frames, (N, T, G, G, C).
        out: The folder written.
        model, data: Started from, and trained on.
        figures: Of the training.

    Returns:
        ``report``, its path; ``better`` and ``worse``, counts of held-out items.
    """
    examples: list[Example] = []
    if len(items):
        texts = distinct_texts(text for item in items for text in item.texts)
        matches = match_matrix([item.texts for item in items], texts) > 0
        found = []
        for name in (model, out):
            encoder = load_encoder(name, device="cpu")
            if isinstance(encoder, TemporalEncoder):
                cosines = encoder.embed_features(views) @ encoder.embed_texts(texts).T
                best = np.where(matches, cosines, -np.inf).max(1)
                first = [texts[int(i)] for i in cosines.argmax(1)]
                found.append((1.0 / (1 + (cosines > best[:, None]).sum(1)), first))
        (one, said), (two, says) = found
        apart = np.argsort(-np.abs(two - one), kind="stable")[: 4 * FRAMES]
        for i, item in enumerate(items):
            told = f"first before: {said[i]}; first after: {says[i]}"
            shown = _pictures(item) if i in apart else ()
            examples.append(Example(item.texts[0], float(one[i]), float(two[i]), shown, told))
    card = Card(
        kind="temporal encoder",
        start=model,
        data=data,
        use=f"seektrack index VIDEOS --temporal --temporal-model {out}",
        recipe=dataclasses.asdict(recipe),
        tags=("seektrack", "video-text-retrieval"),
    )
    report = write_report(out, card, figures, examples, figure="1 / rank of its text")
    return {
        "better": sum(e.gain > 0 for e in examples),
        "worse": sum(e.gain < 0 for e in examples),
        "report": str(report),
    }


def _pictures(item: TextItem) -> tuple[NDArray[np.uint8], ...]:
    try:
        return tuple(item.pictures(FRAMES))
    except InputError:
        return ()

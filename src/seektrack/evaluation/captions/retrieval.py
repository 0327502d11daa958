"""Retrieval in both directions on captions of any layout, by one encoder or several side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, Templates, check_templates, embed_queries, load_encoder
from seektrack.errors import InputError
from seektrack.evaluation.captions.compare import compare
from seektrack.evaluation.captions.material import Asked, Looks, Things, read_things
from seektrack.evaluation.captions.report import DIRECTIONS, KS, TextReport
from seektrack.evaluation.noise import FRAME_NOISE, TEXT_NOISE, noisy_text, spoil
from seektrack.metrics import Rankings, rank_tables
from seektrack.training.datasets.text_items import TextSet
from seektrack.types import Progress

Floats = NDArray[np.float32]
_TIMED = 200
"""Questions whose comparison with all pictures is timed."""


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """How encoders are measured on captions.

    Attributes:
        models: Encoders: names, folders or hub ids as :func:`seektrack.encoders.load_encoder` takes them, or
            encoders. The first is what the others are compared with.
        templates: Wordings texts are put into, see :func:`seektrack.encoders.embed_query`.
        frames: Frames looked at of a video or a moment.
        split, images: Part of the data set, and where its pictures or videos lie.
        limit: Most things of it.
        noise: Also R@1 under every kind of noise in texts and pictures.
        device: ``cpu``, ``cuda`` or ``mps``; chosen when None.
        progress: Called with done, total and the stage.
    """

    models: Sequence[str | Path | Encoder] = ("pocket",)
    templates: Templates = "auto"
    frames: int = 4
    split: str | None = None
    images: str | Path | None = None
    limit: int | None = None
    noise: bool = False
    device: str | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        check_templates(self.templates)
        if not self.models or self.frames < 1:
            raise InputError("an evaluation needs an encoder, and a frame of each video")


def evaluate_texts(
    data: str | Path | TextSet | Sequence[Any], settings: TextSettings | None = None
) -> TextReport:
    """Measure how well texts find what they are said of, and pictures their texts.

    A text said of several things is asked once, and each of them is right. Papers' R@k is the share of
    queries with something right among the first k.

    Args:
        data: COCO captions, Flickr30k, MSR-VTT, an own folder…: what
            :func:`seektrack.evaluation.captions.read_things` takes.
        settings: How.

    Returns:
        Figures of every encoder, and where there are several, paired tests of each against the first.

    Raises:
        InputError: The data cannot be used.
        ModelError: An encoder cannot be loaded.
    """
    s = settings or TextSettings()
    found = read_things(data, images=s.images, split=s.split, limit=s.limit)
    encoders = load_encoders(s.models, device=s.device)
    _warm(encoders)
    looks = Looks(encoders, frames=s.frames)
    things = looks.over(found, progress=s.progress)
    asked = Asked.of(things)
    rankings: dict[str, dict[str, Rankings]] = {}
    figures: dict[str, dict[str, Any]] = {}
    scores: dict[str, Floats] = {}
    for name, encoder in encoders.items():
        begun = time.perf_counter()
        texts = embed_queries(encoder, asked.texts, templates=s.templates)
        text_s = time.perf_counter() - begun
        pictures = looks.rows[name]
        scores[name] = texts @ pictures.T
        rankings[name] = _both_ways(scores[name], asked)
        figures[name] = {way: figures_of(r) for way, r in rankings[name].items()}
        figures[name]["similarity"] = _similarity(scores[name], asked)
        figures[name]["ms"] = {
            "text": round(1000 * text_s / len(asked.texts), 3),
            "image": round(1000 * looks.seconds[name] / looks.pictures, 3),
            "similarity": round(_compare_ms(texts, pictures), 4),
        }
    first, *others = encoders
    noise = {}
    if s.noise:
        noise = _noise(encoders, Things(found.layout, things, found.left_out), asked, s, looks.rows)
    return TextReport(
        data=str(data) if isinstance(data, str | Path) else found.layout,
        layout=found.layout,
        keys=[thing.key for thing in things],
        asked=asked,
        left_out=found.left_out,
        figures=figures,
        scores=scores,
        compared={other: compare(rankings[first], rankings[other], asked) for other in others},
        noise=noise,
    )


def load_encoders(models: Sequence[str | Path | Encoder], *, device: str | None = None) -> dict[str, Encoder]:
    """Encoders by name; one named twice is loaded twice and numbered."""
    out: dict[str, Encoder] = {}
    for model in models:
        encoder = load_encoder(model, device=device) if isinstance(model, str | Path) else model
        name = str(model) if isinstance(model, str | Path) else encoder.name
        while name in out:
            name += "'"
        out[name] = encoder
    return out


def _warm(encoders: dict[str, Encoder]) -> None:
    """Let each embed once before anything is timed."""
    for encoder in encoders.values():
        encoder.embed_texts(["a picture"])
        encoder.embed_images([np.zeros((encoder.image_size, encoder.image_size, 3), np.uint8)])


def _both_ways(scores_QN: Floats, asked: Asked) -> dict[str, Rankings]:
    return {
        DIRECTIONS[0]: rank_tables(scores_QN, asked.things_of, ks=KS),
        DIRECTIONS[1]: rank_tables(scores_QN.T, asked.texts_of, ks=KS),
    }


def figures_of(found: Rankings) -> dict[str, float]:
    """R@k, P@k, recall@k, mAP, MRR and the median rank of the first right answer, over queries."""
    out = {f"R@{k}": found.hit_at(k).mean() for k in KS}
    out |= {f"P@{k}": found.precision_at[k].mean() for k in KS}
    out |= {f"recall@{k}": found.recall_at[k].mean() for k in KS}
    out |= {"mAP": found.ap_Q.mean(), "MRR": found.reciprocal_rank_Q.mean()}
    rounded = {name: round(float(value), 4) for name, value in out.items()}
    return rounded | {"median_rank": float(np.median(found.first_Q)), "queries": len(found.first_Q)}


def _similarity(scores_QN: Floats, asked: Asked) -> dict[str, float]:
    """Mean cosine of true pairs, and of all others."""
    true = np.concatenate([scores_QN[row, of] for row, of in enumerate(asked.things_of)])
    rest = scores_QN.size - len(true)
    others = (float(scores_QN.sum(dtype=np.float64)) - float(true.sum(dtype=np.float64))) / max(rest, 1)
    return {"true_pairs": round(float(true.mean()), 4), "other_pairs": round(others, 4)}


def _compare_ms(texts: Floats, pictures: Floats) -> float:
    """Milliseconds to compare one text with all pictures."""
    some = texts[:_TIMED]
    begun = time.perf_counter()
    for text in some:
        pictures @ text
    return 1000 * (time.perf_counter() - begun) / len(some)


def _noise(
    encoders: dict[str, Encoder], found: Things, asked: Asked, s: TextSettings, clean: dict[str, Floats]
) -> dict[str, dict[str, dict[str, float]]]:
    """R@1 of both directions by encoder and kind of noise."""
    out: dict[str, dict[str, dict[str, float]]] = {name: {} for name in encoders}
    for kind, strengths in TEXT_NOISE.items():
        for strength in strengths:
            rng = np.random.default_rng(4)
            typed = [noisy_text(text, kind, strength, rng) for text in asked.texts]
            for name, encoder in encoders.items():
                rows = embed_queries(encoder, typed, templates=s.templates)
                out[name][f"text, {kind}, {strength}"] = _r1(rows @ clean[name].T, asked)
    own = {
        name: embed_queries(encoder, asked.texts, templates=s.templates) for name, encoder in encoders.items()
    }
    for kind, amounts in FRAME_NOISE.items():
        if kind == "h264":  # is of videos as they are written
            continue
        for strength, amount in amounts.items():
            looks = Looks(encoders, frames=s.frames)
            change: Callable[..., Any] = partial(spoil, kind=kind, amount=amount)
            kept = looks.over(
                found, change=change, progress=s.progress, stage=f"pictures, {kind}, {strength}"
            )
            if len(kept) == len(found.things):
                for name in encoders:
                    out[name][f"picture, {kind}, {strength}"] = _r1(own[name] @ looks.rows[name].T, asked)
    return out


def _r1(scores_QN: Floats, asked: Asked) -> dict[str, float]:
    found = _both_ways(scores_QN, asked)
    return {way: round(float(r.hit_at(1).mean()), 4) for way, r in found.items()}

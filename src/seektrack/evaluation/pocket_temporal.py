"""How well a temporal encoder finds clips by what happens in them, beside an encoder of single frames.

Scenes of the benchmark seeds, through the product's own path from pixels to embeddings. The baseline is what
one has without it: the mean of the frames' embeddings by the ordinary encoder, and its text tower.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder, l2_normalise, load_encoder
from seektrack.encoders.temporal import TemporalEncoder
from seektrack.errors import InputError, ModelError
from seektrack.training.temporal import motion_scenes
from seektrack.training.temporal.data import View, eventful
from seektrack.training.temporal.facts import facts, view
from seektrack.training.temporal.validate import (
    KINDS,
    objects_alone,
    retrieval,
    told_apart,
    words_apart,
)
from seektrack.types import Progress
from seektrack.world import Clip, Split, render

Floats = NDArray[np.float32]
DRAWN_FRAMES = 12


def evaluate_temporal(
    folder: str | Path = "temporal",
    *,
    baseline: str | Path = "pocket",
    clips: int = 200,
    start: int = 0,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Measure a temporal encoder on held-out clips.

    Args:
        folder: What :func:`seektrack.encoders.load_encoder` takes: ``"temporal"``, or a folder.
        baseline: Encoder of single frames to compare with.
        clips: The pool: each clip of a scene of its own.
        start: Where in the benchmark seeds the scenes begin.
        progress: Called with done, total and the stage.

    Returns:
        For each kind of text (``object``, ``motion``, ``event``, ``order``): ``<kind>_r1``, share of texts
        that are true of their nearest clip of the pool; ``<kind>_r1_frames``, that of the baseline;
        ``<kind>_times``, the first over the second; ``<kind>_r1_objects``, that of frames in which every
        object is named right, the most that frames can reach; ``<kind>_chance``; ``<kind>_n`` texts; and
        ``<kind>_direction`` with its ``_frames``: share of texts that are nearer to their clip than to
        the same clip run backwards; ``<kind>_words`` and ``_frames``, share of texts that are nearer to their
        clip than the same text saying the reverse.

    Raises:
        InputError: Fewer than two clips.
        ModelError: The folder holds no temporal encoder.
    """
    if clips < 2:
        raise InputError(f"cannot measure on {clips} clips", hint="ask for at least 2")
    encoder = load_encoder(folder)
    if not isinstance(encoder, TemporalEncoder):
        raise ModelError(f"{folder} is no temporal encoder", hint="train one with seektrack pocket temporal")
    frames = load_encoder(baseline)
    pairs: list[tuple[View, View]] = []
    ours: list[Floats] = []
    theirs: list[Floats] = []
    scenes = eventful(Split.BENCHMARK, motion_scenes(encoder.sizes, DRAWN_FRAMES), start=start)
    for i in range(clips):
        clip = render(next(scenes))
        pairs.append(_both_ways(i, clip))
        ours.append(encoder.embed_clips([clip.frames, clip.frames[::-1]]))
        theirs.append(mean_of_frames(frames, clip))
        if progress:
            progress(i + 1, clips, "clips")
    forwards, backwards = (np.stack([rows[k] for rows in ours]) for k in (0, 1))
    single = np.stack(theirs)
    views = [pair[0] for pair in pairs]

    def measure(one: Floats, other: Floats, embed: Callable[[list[str]], Floats]) -> dict[str, float]:
        apart = told_apart(pairs, one, other, embed) | words_apart(views, one, embed)
        return retrieval(views, one, embed) | apart

    figures = measure(forwards, backwards, encoder.embed_texts)
    plain = measure(single, single, frames.embed_texts)
    compared = ("_r1", "_direction", "_words")
    figures |= objects_alone(views)
    figures |= {f"{k}_frames": v for k, v in plain.items() if k.endswith(compared)}
    for kind in KINDS:
        if plain.get(f"{kind}_r1"):
            figures[f"{kind}_times"] = round(figures[f"{kind}_r1"] / plain[f"{kind}_r1"], 2)
    return dict(sorted(figures.items())) | {"n_clips": clips}


def mean_of_frames(encoder: Encoder, clip: Clip) -> Floats:
    """What a search over frames knows of a clip: the mean embedding of its frames, unit length (D,)."""
    return l2_normalise(encoder.embed_images(list(clip.frames)).mean(0))


def _both_ways(number: int, clip: Clip) -> tuple[View, View]:
    every = tuple(range(len(clip.frames)))
    one, other = (View(number, order, tuple(facts(view(clip, order)))) for order in (every, every[::-1]))
    return one, other

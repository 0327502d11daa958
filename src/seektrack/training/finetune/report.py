"""Before and after of a fine-tuned text encoder: where held-out pictures find their texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Calibration, Encoder, load_encoder
from seektrack.errors import InputError
from seektrack.training.calibrate import measure
from seektrack.training.datasets.corrected import CropOf
from seektrack.training.finetune.batches import match_matrix
from seektrack.training.finetune.data import Pairs, distinct_texts, load_picture, pair_at
from seektrack.training.finetune.recipe import FinetuneRecipe
from seektrack.training.report import Card, Example, Picture, write_report

MOST_PAIRS = 200
"""Held-out pictures compared at most."""
MOST_SHOWN = 400
"""Training pictures the domain is measured on at most."""
FEWEST_HELD_OUT = 20
"""Fewer held-out pictures do not tell a temperature."""
FEWEST_SHOWN = 24
"""Fewer training pictures say nothing of what an encoder knows."""
ENOUGH_SHOWN = 108
"""Where they are fewer than this, each is looked at several times: mirrored, and parts of it."""
_VIEWS = ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.85), (0.15, 0.15, 0.85), (0.1, 0.1, 0.8))
"""Parts of a picture: left, top, and side, as shares of it; every other one is mirrored."""


def report_pairs(
    recipe: FinetuneRecipe,
    pairs: Pairs,
    chosen: NDArray[np.intp],
    held_out: NDArray[np.intp],
    out: Path,
    *,
    model: str | Path,
    data: str,
    figures: dict[str, Any],
    device: str | None,
) -> dict[str, Any]:
    """Write the report and the model card, and measure what the new encoder knows.

    Returns:
        ``report``, its path; ``better`` and ``worse``, counts of held-out pictures; ``domain`` and
        ``calibrated``, whether what it knows and what its scores mean could be measured.
    """
    after = load_encoder(out, device=device)
    watched = held_out[:: max(1, -(-len(held_out) // MOST_PAIRS))]
    examples: list[Example] = []
    calibrated = False
    if len(watched):
        start = load_encoder(model, device=device)
        examples, cosines, matches = compared(pairs, watched, start, after)
        calibrated = _calibrate(after, start, cosines, matches, out)
    known = _domain(pairs, chosen, after, out)
    notes = [] if known else [
        f"Fewer than {FEWEST_SHOWN} pictures say too little of what it knows: `seektrack train calibrate` "
        "measures that on more."
    ]  # fmt: skip
    card = Card(
        kind="text encoder",
        start=str(model),
        data=data,
        use=f"seektrack index VIDEOS --model {out}",
        recipe=dataclasses.asdict(recipe),
        notes=notes,
        tags=("seektrack", "clip", "zero-shot-image-classification"),
    )
    report = write_report(out, card, figures, examples, figure="1 / rank of its text")
    return {
        "better": sum(e.gain > 0 for e in examples),
        "worse": sum(e.gain < 0 for e in examples),
        "domain": known,
        "calibrated": calibrated,
        "report": str(report),
    }


def compared(
    pairs: Pairs, held_out: NDArray[np.intp], before: Encoder, after: Encoder
) -> tuple[list[Example], NDArray[np.float32], NDArray[np.bool_]]:
    """Rank of each picture's own text before and after; cosines after and which of them are true, (N, M)."""
    chosen = [pair_at(pairs, int(i)) for i in held_out]
    pictures = [load_picture(pair.image) for pair in chosen]
    texts = distinct_texts(text for pair in chosen for text in pair.texts)
    matches = match_matrix([pair.texts for pair in chosen], texts) > 0
    found = []
    for encoder in (before, after):
        cosines = encoder.embed_images(pictures) @ encoder.embed_texts(texts).T
        best = np.where(matches, cosines, -np.inf).max(1)
        rank = 1 + (cosines > best[:, None]).sum(1)
        found.append((1.0 / rank, [texts[int(i)] for i in cosines.argmax(1)]))
    (one, said), (two, says) = found
    examples = [
        Example(
            chosen[i].texts[0], float(one[i]), float(two[i]), (pictures[i],),
            f"first before: {said[i]}; first after: {says[i]}",
        )
        for i in range(len(chosen))
    ]  # fmt: skip
    return examples, cosines, matches


def _whole(image: Any) -> Picture:
    """What a library would look at: of a crop the frame it is from."""
    return image.whole() if isinstance(image, CropOf) else load_picture(image)


def _calibrate(
    encoder: Encoder, start: Encoder, cosines: NDArray[np.float32], matches: Any, out: Path
) -> bool:
    """Carry the calibration of the start over, its temperature fitted to the held-out pairs.

    False where the start has none or the pairs are few: then a library made with the encoder teaches it.
    """
    known: Calibration | None = getattr(start, "calibration", None)
    if known is None or len(cosines) < FEWEST_HELD_OUT:
        return False
    temperatures = np.geomspace(0.25, 8, 41)
    surprise = []
    for temperature in temperatures:
        logits = cosines.astype(np.float64) * encoder.logit_scale / temperature
        shares = np.exp(logits - logits.max(1, keepdims=True))
        right = (shares * matches).sum(1) / shares.sum(1)
        surprise.append(-np.log(np.maximum(right, 1e-12)).mean())
    best = float(temperatures[int(np.argmin(surprise))])
    dataclasses.replace(known, temperature=best).save(out, weights=encoder.fingerprint)
    return True


def _domain(pairs: Pairs, chosen: NDArray[np.intp], encoder: Encoder, out: Path) -> bool:
    """Measure what the encoder was shown, beside its weights; False where that cannot be."""
    if len(chosen) < FEWEST_SHOWN:
        return False
    some = chosen[:: max(1, -(-len(chosen) // MOST_SHOWN))].tolist()
    each = min(len(_VIEWS), -(-ENOUGH_SHOWN // len(some)))
    kept = some[::4]
    shown, held_out = (
        (view for i in part for view in _views(_whole(pair_at(pairs, i).image), each))
        for part in ([i for i in some if i not in set(kept)], kept)
    )
    try:
        measure(encoder, out, shown=shown, held_out=held_out, about="what it was fine-tuned on")
    except InputError:  # such as an encoder without layers to look into
        return False
    return True


def _views(picture: Picture, count: int) -> Iterator[Picture]:
    """The picture, and ``count`` - 1 others made of it."""
    height, width = picture.shape[:2]
    for number, (left, top, side) in enumerate(_VIEWS[:count]):
        x, y = int(left * width), int(top * height)
        part = picture[y : y + max(1, round(side * height)), x : x + max(1, round(side * width))]
        yield np.ascontiguousarray(part[:, ::-1] if number % 2 else part)

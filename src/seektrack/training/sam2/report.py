"""Before and after of a fine-tuned segmenter: every held-out object followed by both, and drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seektrack.segmentation import Sam2, load_sam2
from seektrack.training.report import Card, Example, outlined, write_report
from seektrack.training.sam2.finetune import Sam2Finetune
from seektrack.training.sam2.follow import Followed, FollowValidator

TRUTH, BEFORE, AFTER = (255, 255, 255), (230, 60, 50), (40, 200, 80)


def report_clips(
    recipe: Sam2Finetune,
    validator: FollowValidator | None,
    found: tuple[Sequence[Followed], Sequence[Followed]],
    out: Path,
    *,
    model: str | Path,
    data: str,
    figures: dict[str, Any],
    resolution: int,
    device: str | None,
) -> dict[str, Any]:
    """Write the report and the model card.

    Args:
        recipe: Of the fine-tuning.
        validator: What is held out.
        found: What the untouched and the written weights made of it; measured anew where empty.
        out: The folder written.
        model, data: Started from, and trained on.
        figures: Of the fine-tuning.
        resolution, device: Of the network.

    Returns:
        ``report``, its path; ``better`` and ``worse``, counts of held-out objects.
    """
    examples: list[Example] = []
    if validator is not None:
        both = [
            {
                (one.window, one.obj_id): one
                for one in own or validator.each(_loaded(name, resolution, device))
            }
            for own, name in zip(found, (model, out), strict=True)
        ]
        examples = [_example(validator, both[0][key], both[1][key]) for key in both[0] if key in both[1]]
    card = Card(
        kind="segmenter",
        start=str(model),
        data=data,
        use=f'seektrack track VIDEO --text "…" --model pocket+{out}',
        recipe=dataclasses.asdict(recipe),
        notes=["White in the pictures: the truth; red: before; green: after."],
        tags=("seektrack", "sam2", "mask-generation"),
    )
    report = write_report(out, card, figures, examples, figure="J&F")
    return {
        "better": sum(e.gain > 0 for e in examples),
        "worse": sum(e.gain < 0 for e in examples),
        "report": str(report),
    }


def _loaded(name: str | Path, resolution: int, device: str | None) -> Sam2:
    return load_sam2(name, resolution=resolution, device=device)


def _example(validator: FollowValidator, before: Followed, after: Followed) -> Example:
    """The frame on which the two answers differ most, as both drew it."""
    window = validator.windows[before.window]
    both = zip(before.answer, after.answer, strict=True)
    apart = [int((a.to_array() ^ b.to_array()).sum()) for a, b in both]
    worst = int(np.argmax(apart))
    image = window[len(window) - len(before.truth) + worst][0]
    pictures = tuple(
        outlined(image, [(one.truth[worst].to_array(), TRUTH), (one.answer[worst].to_array(), colour)])
        for one, colour in ((before, BEFORE), (after, AFTER))
    )
    name = f"clip {before.window + 1}, object {before.obj_id}"
    return Example(name, (before.j + before.f) / 2, (after.j + after.f) / 2, pictures)

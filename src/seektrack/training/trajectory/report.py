"""Before and after of a predictor: the ways of held-out objects, and where it thought they would go."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seektrack.tracking.predict_network import TrajectoryModel
from seektrack.training.report import SIDE, Card, Example, write_report
from seektrack.training.trajectory.data import Sample
from seektrack.training.trajectory.recipe import TrajectoryRecipe

MOST = 400
"""Held-out ways looked at."""
PAST, TRUTH, BEFORE, AFTER = (130, 130, 130), (255, 255, 255), (230, 60, 50), (40, 200, 80)
Floats = NDArray[np.float32]


@torch.no_grad()
def report_ways(
    recipe: TrajectoryRecipe,
    held_out: Sample | None,
    before: TrajectoryModel,
    after: TrajectoryModel,
    out: Path,
    *,
    model: str,
    data: str,
    figures: dict[str, Any],
) -> dict[str, Any]:
    """Write the report and the model card; an example's figure is the distance it was off, taken negative.

    Returns:
        ``report``, its path; ``better`` and ``worse``, counts of held-out ways.
    """
    examples: list[Example] = []
    if held_out is not None:
        steps, truth, counts = (v[:MOST] for v in (held_out.steps, held_out.target, held_out.counts))
        guesses = [network.eval()(torch.from_numpy(steps))[0][..., :2].numpy() for network in (before, after)]
        known = counts > 0
        off = [
            (np.linalg.norm(g - truth[..., :2], axis=-1) * known).sum(1) / known.sum(1).clip(1)
            for g in guesses
        ]
        apart = set(np.argsort(-np.abs(off[1] - off[0]))[:16].tolist())
        for i in range(len(steps)):
            shown = (
                (_drawn(steps[i], truth[i][known[i]], guesses[0][i], guesses[1][i]),) if i in apart else ()
            )
            examples.append(Example(f"way {i + 1}", -float(off[0][i]), -float(off[1][i]), shown))
    card = Card(
        kind="predictor of hidden objects",
        start=model,
        data=data,
        use=f'seektrack track VIDEO --text "…" --predictor {out}',
        recipe=dataclasses.asdict(recipe),
        notes=["Grey: the past; white: where it went; red: where it was thought to go before; green: after."],
        tags=("seektrack", "trajectory-prediction"),
    )
    report = write_report(out, card, figures, examples, figure="distance off in sizes, negative")
    return {
        "better": sum(e.gain > 0 for e in examples),
        "worse": sum(e.gain < 0 for e in examples),
        "report": str(report),
    }


def _drawn(steps: Floats, truth: Floats, before: Floats, after: Floats) -> NDArray[np.uint8]:
    """Centres relative to the last one seen, in one picture."""
    import cv2

    past = steps[steps[:, 4] > 0, :2]
    every = np.concatenate([past, truth[:, :2], before, after])
    low, high = every.min(0), every.max(0)
    scale = 0.85 * SIDE / max(float((high - low).max()), 1e-6)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for points, colour in ((past, PAST), (truth[:, :2], TRUTH), (before, BEFORE), (after, AFTER)):
        placed = ((points - (low + high) / 2) * scale + SIDE / 2).round().astype(np.int32)
        cv2.polylines(image, [placed.reshape(-1, 1, 2)], False, colour, 1, cv2.LINE_AA)
        for x, y in placed.tolist():
            cv2.circle(image, (int(x), int(y)), 2, colour, -1, cv2.LINE_AA)
    return image

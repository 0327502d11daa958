"""Quick figures on held-out seeds while training: J on frames and on clips, and the object score."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Sam2VideoModel

from seektrack.training.sam2.data import make_batch, world_settings
from seektrack.training.sam2.losses import LossWeights
from seektrack.training.sam2.prompts import BOX, POINT
from seektrack.training.sam2.recipe import Stage
from seektrack.training.sam2.sides import set_side
from seektrack.training.sam2.unroll import VISIBLE_PIXELS, unroll
from seektrack.world import Split, render, sample_scene, seeds

FIGURES = ("J_box", "J_point", "Jt_box", "Jt_point", "score_acc")


@torch.no_grad()
def validate(
    model: Sam2VideoModel, *, resolution: int, scenes: int, n_frames: int, style: str = "plain"
) -> dict[str, float]:
    """Mean J from a box and from a click, at full resolution, over the objects of held-out scenes.

    Args:
        model: The network, in any mode; left in evaluation mode.
        resolution: Side of the square input in pixels.
        scenes: How many validation scenes.
        style: Of the scenes.
        n_frames: Frames a scene; above 1 the figures over later frames are given too.

    Returns:
        ``J_box``, ``J_point`` on first frames; ``Jt_box``, ``Jt_point`` on later frames where the object is
        visible; ``score_acc``, how often the object score tells presence from absence, balanced.
    """
    set_side(model, resolution).eval()
    kept: dict[str, list[float]] = {}
    for seed in seeds(Split.VALIDATION, scenes):
        clip = render(sample_scene(seed, world_settings(resolution, n_frames, style=style)))
        rng = np.random.default_rng(seed)
        batch = make_batch(None, [(clip.frames, clip.ids)], per_clip=6, min_area=40)
        if batch is None:
            continue
        batch = batch.to(model.device)
        for kind in (BOX, POINT):
            out = unroll(model, batch, kind=kind, rng=rng, weights=LossWeights())
            size = batch.masks.shape[-2:]
            present = batch.masks.flatten(2).sum(2) >= VISIBLE_PIXELS
            absent = batch.masks.flatten(2).sum(2) == 0
            for t in range(n_frames):
                up = F.interpolate(out.logits[:, t, None], size=size, mode="bilinear", align_corners=False)
                truth = batch.masks[:, t] > 0
                answer = (up[:, 0] > 0) & ((out.scores[:, t] > 0) | (t == 0))[:, None, None]
                j = (answer & truth).sum((1, 2)) / (answer | truth).sum((1, 2)).clamp(min=1)
                name = f"J_{kind}" if t == 0 else f"Jt_{kind}"
                kept.setdefault(name, []).extend(j[present[:, t]].tolist())
                if t:
                    right = out.scores[:, t] > 0
                    kept.setdefault("there", []).extend(right[present[:, t]].float().tolist())
                    kept.setdefault("gone", []).extend((~right[absent[:, t]]).float().tolist())
    figures = {name: round(float(np.mean(values)), 4) for name, values in kept.items() if values}
    if "there" in figures:
        figures["score_acc"] = round((figures.pop("there") + figures.pop("gone", 0.0)) / 2, 4)
    return figures


def look(model: Sam2VideoModel, stage: Stage, *, scenes: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Measure a network in a stage of its training, on plain scenes and on those of the stage's style.

    Args:
        model: The network; left in evaluation mode.
        stage: Says at which side and in which style; a clip stage takes clips, of fewer scenes.
        scenes: How many validation scenes.

    Returns:
        What :func:`validate` says of plain scenes, and the columns of the curve: the same, and that of the
        style's scenes with ``style_`` before the name, empty where there is nothing to say.
    """
    clips = stage.name == "clip"
    count, n_frames = (max(1, scenes * 5 // 12), 8) if clips else (scenes, 1)
    styles = [] if stage.name == "dense" else ["plain", *({stage.style} - {"plain"})]
    found = {
        style: validate(model, resolution=stage.resolution, scenes=count, n_frames=n_frames, style=style)
        for style in styles
    }
    plain, other = found.get("plain", {}), found.get(stage.style, {}) if stage.style != "plain" else {}
    return plain, {
        **{name: plain.get(name, "") for name in FIGURES},
        **{f"style_{name}": other.get(name, "") for name in FIGURES},
    }

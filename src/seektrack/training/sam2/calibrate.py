"""Where the object score of a trained SAM 2 has its zero.

Objects are there on most frames, so a network learns to say so when in doubt, and a mask stays behind where
an object has left. The score's bias is set afterwards, on validation clips: a zero that tells presence from
absence equally well.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Sam2VideoModel

from seektrack.training.sam2.data import make_batch, world_settings
from seektrack.training.sam2.losses import LossWeights
from seektrack.training.sam2.prompts import BOX
from seektrack.training.sam2.sides import set_side
from seektrack.training.sam2.unroll import VISIBLE_PIXELS, unroll
from seektrack.world import Split, render, sample_scene, seeds

_START = 20_000
"""Seeds to skip, so that no clip is one that a training is measured on."""


@torch.no_grad()
def calibrate_score(
    model: Sam2VideoModel, *, resolution: int, scenes: int = 24, n_frames: int = 16, most_lost: float = 0.05
) -> float:
    """Shift the bias of the object score so that it tells presence from absence best on held-out clips.

    Args:
        model: The network; its bias is changed.
        resolution: Side of the square input in pixels.
        scenes: Validation scenes, plain ones.
        n_frames: Frames of each, in time lapse.
        most_lost: Largest share of frames with the object that may be taken for frames without.

    Returns:
        What was subtracted, a logit; 0 where no object was ever hidden.
    """
    set_side(model, resolution).eval()
    there: list[float] = []
    gone: list[float] = []
    for seed in seeds(Split.VALIDATION, scenes, start=_START):
        clip = render(sample_scene(seed, world_settings(resolution, n_frames)))
        batch = make_batch(None, [(clip.frames, clip.ids)], per_clip=6, min_area=40)
        if batch is None:
            continue
        rng = np.random.default_rng(seed)
        out = unroll(model, batch.to(model.device), kind=BOX, rng=rng, weights=LossWeights())
        area, scores = batch.masks.flatten(2).sum(2)[:, 1:], out.scores[:, 1:].cpu()
        there += scores[area >= VISIBLE_PIXELS].tolist()
        gone += scores[area == 0].tolist()
    shift = best_zero(np.array(there), np.array(gone), most_lost=most_lost)
    model.mask_decoder.pred_obj_score_head.proj_out.bias -= shift
    return shift


def best_zero(there: NDArray[np.float64], gone: NDArray[np.float64], *, most_lost: float) -> float:
    """The score above which an object is said to be there: the best balanced accuracy within ``most_lost``.

    Args:
        there, gone: Scores of frames with and without the object.
        most_lost: Largest share of ``there`` that may lie at or below it.
    """
    if not len(there) or not len(gone):
        return 0.0
    limit = float(np.quantile(there, most_lost))
    candidates = np.unique(np.concatenate([gone[gone <= limit], [min(0.0, limit)]]))
    right = [((there > c).mean() + (gone <= c).mean()) / 2 for c in candidates]
    return float(candidates[int(np.argmax(right))])

"""Prompts drawn from true masks: clicks, boxes, masks, and the clicks that correct an answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from seektrack.errors import InputError

BOX, POINT, MASK = "box", "point", "mask"
KINDS = (BOX, POINT, MASK)
LOGIT_LIMIT = 32.0
"""What an answer fed back as a prompt is clipped to, as the reference does."""


@dataclass(frozen=True, kw_only=True)
class PromptMix:
    """Which prompts a training gives, and how it corrects the answers.

    Attributes:
        image, clip: How often box, click and mask start an object, on single pictures and on clips. On a
            picture the mask is a rough low-resolution one to be refined; on a clip it is exact.
        points: Most clicks of a click prompt.
        mixed: On single pictures every object draws its own kind, so that each picture encoded serves boxes
            and clicks alike; otherwise all objects of a step get the same.
        jitter: Standard deviation of a box's sides, in shares of its size.
        even_jitter: Each box draws its deviation from 0 to ``jitter``, so that some are exact.
        corrections: Most rounds of one corrective click after the first answer (SAM 2, arXiv:2408.00714,
            appendix D.2.2: sampled from the region that is wrong).
        feedback: Chance that a round is also given the answer before it, as a mask prompt.
        later: Chance that an answer on a later frame of a clip gets a corrective click.
    """

    image: tuple[float, float, float] = (0.5, 0.5, 0.0)
    clip: tuple[float, float, float] = (0.45, 0.35, 0.2)
    points: int = 1
    mixed: bool = False
    jitter: float = 0.06
    even_jitter: bool = False
    corrections: int = 0
    feedback: float = 0.7
    later: float = 0.0

    def __post_init__(self) -> None:
        for name, shares in (("image", self.image), ("clip", self.clip)):
            if len(shares) != 3 or min(shares) < 0 or sum(shares) <= 0:
                raise InputError(
                    f"the mix of {name} prompts is {shares}", hint="give shares of box, click and mask"
                )
        if self.points < 1 or self.corrections < 0 or self.jitter < 0:
            raise InputError(
                f"points {self.points}, corrections {self.corrections}, jitter {self.jitter}",
                hint="points are 1 or more, the others 0 or more",
            )
        for name in ("feedback", "later"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is a chance from 0 to 1, got {getattr(self, name)}")

    def kind(self, rng: np.random.Generator, *, clip: bool) -> str:
        """Draw what an object starts with."""
        shares = np.array(self.clip if clip else self.image, dtype=np.float64)
        return str(rng.choice(KINDS, p=shares / shares.sum()))


def sample_prompt(
    rng: np.random.Generator, mask: NDArray[np.bool_], kind: str, *, clicks: int = 1, jitter: float = 0.06
) -> tuple[list[list[float]], list[int]]:
    """Clicks anywhere inside, or the two corners of a jittered box, in pixels; labels as SAM's."""
    ys, xs = np.nonzero(mask)
    if kind == POINT:
        chosen = rng.integers(len(xs), size=clicks)
        return [[float(xs[j]) + 0.5, float(ys[j]) + 0.5] for j in chosen], [1] * clicks
    x0, y0, x1, y1 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    limit = 2.5 * jitter
    moved = np.clip(rng.normal(0, jitter, 4), -limit, limit) * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    corners = np.clip(np.array([x0, y0, x1, y1]) + moved, 0, mask.shape[0])
    return [[float(corners[0]), float(corners[1])], [float(corners[2]), float(corners[3])]], [2, 3]


def prompts_for(
    rng: np.random.Generator, masks: Tensor, kind: str, mix: PromptMix | None = None
) -> tuple[Tensor, Tensor]:
    """Points float (B, K, 2) and labels int (B, K) for masks (B, S, S), none of them empty."""
    mix = mix or PromptMix()
    clicks = int(rng.integers(1, mix.points + 1)) if mix.points > 1 else 1
    drawn = []
    for mask in masks.cpu().numpy():
        jitter = float(rng.uniform(0, mix.jitter)) if mix.even_jitter and kind == BOX else mix.jitter
        drawn.append(sample_prompt(rng, mask > 0, kind, clicks=clicks, jitter=jitter))
    points = torch.tensor([p for p, _ in drawn], dtype=torch.float32, device=masks.device)
    return points, torch.tensor([labels for _, labels in drawn], dtype=torch.int32, device=masks.device)


def corrective_clicks(
    rng: np.random.Generator, answer: Tensor, truth: Tensor, known: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One click an object, from anywhere its answer is wrong.

    Positive where the answer misses the object, negative where it goes too far; where nothing is wrong, a
    negative click beside the object, or a positive one if it fills the picture.

    Args:
        rng: Draws the place.
        answer: Mask logits, float (B, h, h).
        truth: float (B, S, S), 0 or 1.
        known: float (B, S, S), 0 on pixels not to click.

    Returns:
        Points float (B, 1, 2) in pixels of S, labels int (B, 1).
    """
    side = truth.shape[-1]
    with torch.no_grad():
        full = F.interpolate(answer[:, None].float(), (side, side), mode="bilinear", align_corners=False)
    said, true = (full[:, 0] > 0).cpu().numpy(), (truth > 0).cpu().numpy()
    usable = np.ones_like(true) if known is None else (known > 0).cpu().numpy()
    points, labels = [], []
    for given, right, use in zip(said, true, usable, strict=True):
        ys, xs = np.nonzero((given != right) & use)
        if len(xs) == 0:
            ys, xs = np.nonzero(~right & use)
        if len(xs) == 0:
            ys, xs = np.nonzero(np.ones_like(right))
        j = int(rng.integers(len(xs)))
        points.append([[float(xs[j]) + 0.5, float(ys[j]) + 0.5]])
        labels.append([int(right[ys[j], xs[j]])])
    return (
        torch.tensor(points, dtype=torch.float32, device=truth.device),
        torch.tensor(labels, dtype=torch.int32, device=truth.device),
    )


def fed_back(logits: Tensor) -> Tensor:
    """An answer (B, h, h) as the mask prompt (B, 1, h, h) of the next round; no gradient flows through it."""
    return logits.detach()[:, None].clamp(-LOGIT_LIMIT, LOGIT_LIMIT)


def rough_mask(rng: np.random.Generator, masks: Tensor) -> Tensor:
    """True masks (B, S, S) as logits (B, 1, S/4, S/4) of a poor answer: blurred, shrunk or grown."""
    side = masks.shape[-1] // 4
    small = F.interpolate(masks[:, None], (side, side), mode="area")
    reach = int(rng.integers(0, 3))
    soft = F.avg_pool2d(small, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
    level = float(rng.uniform(0.25, 0.75))
    return ((soft - level) * float(rng.uniform(10, 40))).clamp(-LOGIT_LIMIT, LOGIT_LIMIT)


def background_points(rng: np.random.Generator, ids: NDArray[np.uint8], count: int) -> tuple[Tensor, Tensor]:
    """Clicks where no object is: frame index long (count,) and points float (count, 1, 2); ids (C, S, S)."""
    frames, points = [], []
    for _ in range(count):
        c = int(rng.integers(len(ids)))
        ys, xs = np.nonzero(ids[c] == 0)
        if len(xs) == 0:
            continue
        j = int(rng.integers(len(xs)))
        frames.append(c)
        points.append([[float(xs[j]) + 0.5, float(ys[j]) + 0.5]])
    return torch.tensor(frames, dtype=torch.long), torch.tensor(points, dtype=torch.float32).reshape(-1, 1, 2)

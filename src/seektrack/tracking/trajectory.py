"""What a network that continues trajectories sees and says, in pixels and seconds; whoever computes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints.names import TRAJECTORY
from seektrack.errors import ModelError
from seektrack.geometry import Box
from seektrack.tracking.predict import LEARNED, History

Floats = NDArray[np.float64]
MODEL_TYPE = TRAJECTORY
FEATURES = 9
"""Of a step: dx, dy, log w, log h, known, and the gaps to the four borders."""

_MOST_GROWTH = 2.0
"""Logarithm of the most that sides grow or shrink by."""
_FAR = 4.0
"""Gaps to the border beyond this many sizes are all the same."""


@dataclass(frozen=True, kw_only=True)
class TrajectorySizes:
    """Sizes of a network.

    Attributes:
        kind: ``lstm`` or ``transformer``.
        past, future: Steps seen and steps predicted.
        step_s: Shortest time step in seconds; where frames are further apart, theirs is used.
        width, layers, heads: Of the network.
        box: Whether it predicts the whole box and not the centre alone.
    """

    kind: str = "lstm"
    past: int = 10
    future: int = 12
    step_s: float = 0.125
    width: int = 64
    layers: int = 2
    heads: int = 4
    box: bool = False

    @property
    def numbers(self) -> int:
        """C, numbers predicted a step: x and y of the centre, and of a whole box its log sides."""
        return 4 if self.box else 2

    def __post_init__(self) -> None:
        if self.kind not in LEARNED:
            raise ModelError(f"unknown predictor {self.kind!r}", hint=f"choose from {', '.join(LEARNED)}")
        if min(self.past, self.future, self.width, self.layers, self.heads) < 1 or self.step_s <= 0:
            raise ModelError(f"sizes of a predictor must be positive, got {self}", hint="train it again")


@dataclass(frozen=True, eq=False)
class Steps:
    """Where objects will be, step by step.

    Attributes:
        start: float64 (N, 2), centres when last seen, pixels.
        centre: float64 (N, K, 2), pixels.
        spread: float64 (N, K, 2), standard deviation of the centre in pixels.
        step_s: float64 (N,), length of a step in seconds.
        sides: float64 (N, 1 + K, 2), width and height when last seen and then, pixels; None where only the
            centre is predicted.
        sides_spread: float64 (N, K, 2), their standard deviation in pixels.
    """

    start: Floats
    centre: Floats
    spread: Floats
    step_s: Floats
    sides: Floats | None = None
    sides_spread: Floats | None = None


def features(boxes: Floats, known: NDArray[np.bool_], hw: Floats) -> tuple[NDArray[np.float32], Floats]:
    """What a network sees of the past.

    Args:
        boxes: (N, P, 4) ``xyxy`` pixels on an even grid of time, the last one seen last.
        known: (N, P); the last is True.
        hw: (N, 2), height and width of the pictures.

    Returns:
        float32 (N, P, 9), and the size (N,) in pixels that lengths are measured in.
    """
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 1.0)
    area = np.where(known, np.sqrt(sides.prod(-1)), np.nan)
    size = np.nanmedian(area, axis=1)
    relative = (centre - centre[:, -1:]) / size[:, None, None]
    logs = np.log(sides / size[:, None, None])
    last = boxes[:, -1]
    gaps = np.stack([last[:, 0], hw[:, 1] - last[:, 2], last[:, 1], hw[:, 0] - last[:, 3]], axis=1)
    gaps = np.clip(gaps / size[:, None], 0, _FAR) / _FAR
    seen = known[..., None]
    steps = [np.where(seen, np.clip(relative, -20, 20), 0), np.where(seen, logs, 0), seen]
    rest = np.broadcast_to(gaps[:, None], (*known.shape, 4))
    return np.concatenate([*steps, rest], axis=-1).astype(np.float32), size


def next_steps(
    history: History,
    sizes: TrajectorySizes,
    run: Callable[[NDArray[np.float32]], tuple[Floats, Floats]],
) -> Steps:
    """The next K steps of objects, in pixels.

    Args:
        history: What is known of them.
        sizes: Of the network.
        run: The network: what `features` gives to means and log spreads, (N, K, C) each, in sizes.
    """
    grids = [resample(h, past=sizes.past, step_s=sizes.step_s) for h in history.sightings]
    boxes, known = np.stack([g[0] for g in grids]), np.stack([g[1] for g in grids])
    hw = np.broadcast_to(np.asarray(history.hw, np.float64), (len(grids), 2))
    steps, size = features(boxes, known, hw)
    mean, spread = run(steps)
    last = (boxes[:, -1, :2] + boxes[:, -1, 2:]) / 2
    scale = size[:, None, None]
    sides = sides_spread = None
    if sizes.box:
        now = (boxes[:, -1, 2:] - boxes[:, -1, :2])[:, None]
        later = now * np.exp(np.clip(mean[..., 2:], -_MOST_GROWTH, _MOST_GROWTH))
        sides = np.concatenate([now, later], axis=1)
        sides_spread = later * np.minimum(np.exp(spread[..., 2:]), 1.0)
    return Steps(
        last,
        last[:, None] + mean[..., :2] * scale,
        np.exp(spread[..., :2]) * scale,
        np.array([g[2] for g in grids]),
        sides,
        sides_spread,
    )


def resample(
    sightings: Sequence[tuple[float, Box]], *, past: int, step_s: float
) -> tuple[Floats, NDArray[np.bool_], float]:
    """Boxes on an even grid of ``past`` time steps that ends with the last sighting.

    Args:
        sightings: ``(time_s, box)`` in the order they came, forwards or backwards in time.
        past: P.
        step_s: Shortest step; where sightings are further apart, their median distance is used.

    Returns:
        Boxes (P, 4), which of them are known (P,), and the step in seconds. Between two sightings that are
        more than two steps apart, nothing is known.
    """
    times = np.abs(np.array([t for t, _ in sightings]) - sightings[-1][0])[::-1]
    boxes = np.array([b for _, b in sightings], np.float64)[::-1]
    gaps = np.diff(times)
    step = max(step_s, float(np.median(gaps))) if len(gaps) else step_s
    wanted = np.arange(past) * step
    at = np.stack([np.interp(wanted, times, boxes[:, c]) for c in range(4)], axis=1)
    after = np.minimum(np.searchsorted(times, wanted - 1e-6 * step), len(times) - 1)
    before = np.maximum(np.searchsorted(times, wanted + 1e-6 * step, side="right") - 1, 0)
    known = (wanted <= times[-1] + 0.25 * step) & (times[after] - times[before] <= 2 * step + 1e-9)
    return at[::-1].copy(), known[::-1].copy(), step


def read_sizes(folder: Path) -> TrajectorySizes:
    """The sizes of a predictor's folder.

    Raises:
        ModelError: It holds another kind of network.
        ValueError: Its configuration cannot be read.
    """
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") != MODEL_TYPE:
        raise ModelError(f"{folder} holds a {config.get('model_type')!r}, no trajectory predictor")
    own = {f.name for f in fields(TrajectorySizes)}
    return TrajectorySizes(**{k: v for k, v in config.items() if k in own})

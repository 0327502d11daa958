"""Networks that continue a trajectory: an LSTM and a transformer over the last boxes of an object.

They see the past on an even grid of time steps, in sizes of the object: where its centre was relative to the
last one, how large it was, which steps nothing is known of, and how far the borders of the picture are. They
answer, for each step to come, where the centre will be and how uncertain that is; one of the whole box also
how its sides will have grown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seektrack import checkpoints
from seektrack.errors import ModelError
from seektrack.files import new_files
from seektrack.geometry import Box
from seektrack.tracking.predict import LEARNED, History

Floats = NDArray[np.float64]
MODEL_TYPE = "seektrack_trajectory"
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


class TrajectoryModel(nn.Module):
    """Continues trajectories.

    Args:
        sizes: Of the network.
    """

    def __init__(self, sizes: TrajectorySizes) -> None:
        super().__init__()
        self.sizes = sizes
        w = sizes.width
        self.enter = nn.Linear(FEATURES, w)
        if sizes.kind == "lstm":
            self.past = nn.LSTM(w, w, sizes.layers, batch_first=True)
            self.ahead = nn.LSTM(w, w, sizes.layers, batch_first=True)
        else:
            layer = nn.TransformerEncoderLayer(
                w, sizes.heads, 2 * w, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            self.layers = nn.TransformerEncoder(layer, sizes.layers, enable_nested_tensor=False)
            self.moment = nn.Parameter(torch.randn(sizes.past, w) * 0.3)
        self.steps = nn.Parameter(torch.randn(sizes.future, w) * 0.3)
        self.leave = nn.Sequential(nn.LayerNorm(w), nn.Linear(w, 2 * sizes.numbers))
        for parameter in self.leave[1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Continue the past.

        Args:
            steps: (N, P, 9), see :func:`features`.

        Returns:
            (N, K, C): centres relative to the last one, in sizes, and of a whole box the logarithm of its
            sides over the last ones; and the logarithm of their standard deviations, (N, K, C).
        """
        n = len(steps)
        hidden = self.enter(steps)
        queries = self.steps.expand(n, -1, -1)
        if self.sizes.kind == "lstm":
            _, state = self.past(hidden)
            hidden, _ = self.ahead(queries, state)
        else:
            tokens = torch.cat([hidden + self.moment, queries], dim=1)
            hidden = self.layers(tokens)[:, self.sizes.past :]
        out = self.leave(hidden)
        count = torch.arange(1, self.sizes.future + 1, device=steps.device)[:, None]
        # Learnt is what differs from going on straight and staying as large.
        numbers = self.sizes.numbers
        straight = F.pad(pace(steps)[:, None] * count, (0, numbers - 2))
        mean = straight + out[..., :numbers] * count.sqrt()
        return mean, (out[..., numbers:] - 2.0).clamp(-6, 3) + 0.5 * count.log()

    def predict(self, history: History) -> Steps:
        """The next K steps of objects, in pixels."""
        s = self.sizes
        grids = [resample(h, past=s.past, step_s=s.step_s) for h in history.sightings]
        boxes, known = np.stack([g[0] for g in grids]), np.stack([g[1] for g in grids])
        hw = np.broadcast_to(np.asarray(history.hw, np.float64), (len(grids), 2))
        steps, size = features(boxes, known, hw)
        with torch.inference_mode():
            mean, spread = (part.numpy().astype(np.float64) for part in self(torch.from_numpy(steps)))
        last = (boxes[:, -1, :2] + boxes[:, -1, 2:]) / 2
        scale = size[:, None, None]
        sides = sides_spread = None
        if s.box:
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


def pace(steps: Tensor, over: int = 4) -> Tensor:
    """Mean motion a step (N, 2) over the last steps known, in sizes: 0 where only one is."""
    count = steps.shape[1]
    back = torch.arange(count - 1, -1, -1, device=steps.device)
    usable = (steps[..., 4] > 0) & (back <= over) & (back > 0)
    first = torch.where(usable, back, 0).amax(1)
    any_known = first > 0
    rows = torch.arange(len(steps), device=steps.device)
    away = -steps[rows, count - 1 - first, :2] / first.clamp(min=1)[:, None]
    return away * any_known[:, None]


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


def save_trajectory(model: TrajectoryModel, folder: Path) -> None:
    """Write a folder that :func:`load_trajectory` reads: config.json and fp16 safetensors."""
    from safetensors.torch import save_file

    config = {"model_type": MODEL_TYPE, **asdict(model.sizes)}
    weights = {k: v.detach().half().contiguous() for k, v in model.state_dict().items()}
    with new_files(folder) as temporary:
        (temporary / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        save_file(weights, temporary / "model.safetensors", metadata={"format": "pt"})


def load_trajectory(folder: Path) -> TrajectoryModel:
    """Read a predictor's folder.

    Raises:
        ModelError: Files are missing, or do not fit together.
    """
    weights = checkpoints.load_weights(folder, str(folder))
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config.get("model_type") != MODEL_TYPE:
            raise ModelError(f"{folder} holds a {config.get('model_type')!r}, no trajectory predictor")
        own = {f.name for f in fields(TrajectorySizes)}
        model = TrajectoryModel(TrajectorySizes(**{k: v for k, v in config.items() if k in own}))
        model.load_state_dict(weights)
    except ModelError:
        raise
    except Exception as error:  # json, safetensors and torch raise types of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{folder} cannot be loaded as a trajectory predictor: {reason}",
            hint="write the folder again with seektrack train trajectory",
        ) from error
    return model.eval()

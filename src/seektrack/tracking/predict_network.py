"""Networks that continue a trajectory: an LSTM and a transformer over the last boxes of an object.

They see the past on an even grid of time steps, in sizes of the object: where its centre was relative to the
last one, how large it was, which steps nothing is known of, and how far the borders of the picture are. They
answer, for each step to come, where the centre will be and how uncertain that is; one of the whole box also
how its sides will have grown.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seektrack import checkpoints
from seektrack.errors import ModelError
from seektrack.files import new_files
from seektrack.tracking.predict import History
from seektrack.tracking.trajectory import (
    FEATURES,
    MODEL_TYPE,
    Floats,
    Steps,
    TrajectorySizes,
    features,
    next_steps,
    read_sizes,
    resample,
)

__all__ = [
    "Steps",
    "TrajectoryModel",
    "TrajectorySizes",
    "features",
    "load_trajectory",
    "pace",
    "resample",
    "save_trajectory",
]


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

        def run(steps: NDArray[np.float32]) -> tuple[Floats, Floats]:
            with torch.inference_mode():
                mean, spread = self(torch.from_numpy(steps))
            return mean.numpy().astype(np.float64), spread.numpy().astype(np.float64)

        return next_steps(history, self.sizes, run)


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
        model = TrajectoryModel(read_sizes(folder))
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

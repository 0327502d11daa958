"""Whether a picture is one of the drawn world or a photograph: what chooses between two sets of weights.

Four convolutions of forty thousand weights in numpy, so that every runtime chooses alike. It looks at what
the segmenter looks at, a normalised square.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.checkpoints.fingerprints import GATE_FILE
from seektrack.errors import ModelError
from seektrack.files import new_file
from seektrack.segmentation.arrays import floats
from seektrack.segmentation.features import Array

WEIGHTS = GATE_FILE
SIDE = 256
"""Of the square it looks at, in pixels."""
STRIDES = (4, 1, 2, 2)
"""Of its convolutions."""

Floats = NDArray[np.float32]


class Gate:
    """Tells drawings from photographs.

    Args:
        weights: ``conv0`` to ``conv3`` and ``head``, each with ``.weight``, (O, C, s, s) and (1, 2 O), and
            ``.bias``, (O,): the sums of a convolution, then a rectifier; the head sees the mean and the
            largest of each channel.

    Raises:
        ValueError: A weight is missing, or they do not fit together.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.floating]]) -> None:
        names = [*(f"conv{i}" for i in range(len(STRIDES))), "head"]
        wanted = {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}
        if set(weights) != wanted:
            raise ValueError(f"weights {sorted(wanted ^ set(weights))[:3]} are missing or too many")
        self._weights = {name: np.asarray(value, np.float32) for name, value in weights.items()}
        inputs = 3
        for name in names:
            weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
            last = name == "head"
            if (
                weight.ndim != (2 if last else 4)
                or weight.shape[1] != inputs
                or bias.shape != weight.shape[:1]
            ):
                raise ValueError(f"{name} does not fit what lies before it")
            inputs = 2 * len(weight) if name == names[-2] else len(weight)

    @classmethod
    def load(cls, folder: Path) -> Gate:
        """The gate in a checkpoint's folder.

        Raises:
            ModelError: It is missing or cannot be read.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return cls(load_file(folder / WEIGHTS))
        except (OSError, ValueError, SafetensorError) as error:
            raise ModelError(
                f"cannot read {folder / WEIGHTS}, which chooses between two sets of weights: {error}",
                hint="write the folder again, or give the folder of one set",
            ) from error

    def save(self, path: Path) -> None:
        """Write it, in half precision; the file appears whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        from safetensors.numpy import save_file

        with new_file(path) as temporary:
            save_file({name: value.astype(np.float16) for name, value in self._weights.items()}, temporary)

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits; equal for equal weights."""
        digest = hashlib.blake2b(digest_size=16)
        for name in sorted(self._weights):
            digest.update(name.encode() + self._weights[name].tobytes())
        return digest.hexdigest()

    def odds(self, pixels: Array) -> Floats:
        """Log odds (B,) that pictures are drawings.

        Args:
            pixels: float (B, 3, S, S), normalised by ImageNet's mean and deviation; arrays of any runtime.
        """
        squares = floats(pixels).transpose(0, 2, 3, 1)
        if squares.shape[1] != SIDE:
            how = cv2.INTER_AREA if squares.shape[1] > SIDE else cv2.INTER_LINEAR
            squares = np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=how) for one in squares])
        return np.concatenate([self._one(square) for square in squares])

    def _one(self, x: Floats) -> Floats:
        for i, stride in enumerate(STRIDES):
            x = _convolved(x, self._weights[f"conv{i}.weight"], self._weights[f"conv{i}.bias"], stride)
        seen = np.concatenate([x.mean((0, 1)), x.max((0, 1))])
        return np.asarray(self._weights["head.weight"] @ seen + self._weights["head.bias"], np.float32)


def _convolved(x: Floats, weight: Floats, bias: Floats, stride: int) -> Floats:
    """A convolution of (H, W, C) with (O, C, s, s), and a rectifier: (H / stride, W / stride, O)."""
    outputs, _, side, _ = weight.shape
    pad = (side - stride + 1) // 2
    padded = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))[::stride, ::stride]
    height, width = windows.shape[:2]
    sums = windows.reshape(height * width, -1) @ weight.reshape(outputs, -1).T
    return np.asarray(np.maximum(sums + bias, 0).reshape(height, width, outputs), np.float32)


def joined(fingerprints: list[str]) -> str:
    """One fingerprint of several, 32 hexadecimal digits."""
    return hashlib.blake2b(" ".join(fingerprints).encode(), digest_size=16).hexdigest()

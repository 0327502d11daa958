"""Optical flow between two frames: DIS and Farneback from OpenCV, RAFT where torchvision is installed."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, ModelError

Picture = NDArray[np.uint8]
Field = NDArray[np.float32]
Flow = Callable[[Picture, Picture], Field]
"""From two pictures uint8 (h, w, 3) RGB or (h, w) grey to float32 (h, w, 2), ``(x, y)`` in pixels:
``first[y, x]`` is seen at ``second[y + v, x + u]``."""

FlowName = Literal["dis", "farneback", "raft"]
FLOWS: tuple[FlowName, ...] = ("dis", "farneback", "raft")


def make_flow(name: str, *, device: str = "cpu") -> Flow:
    """An optical flow method by name.

    Args:
        name: ``dis`` (Kroeger et al., ECCV 2016; the fastest), ``farneback`` (Farnebäck, SCIA 2003) or
            ``raft`` (Teed & Deng, ECCV 2020; torchvision's small network with its published weights).
        device: Where RAFT runs.

    Raises:
        InputError: The name is unknown.
        ModelError: RAFT is asked for where torchvision, or its weights, cannot be had.
    """
    if name == "dis":
        return _dis()
    if name == "farneback":
        return _farneback
    if name == "raft":
        return _raft(device)
    raise InputError(f"there is no optical flow {name!r}", hint=f"take one of {', '.join(FLOWS)}")


def _dis() -> Flow:
    """DIS without its variational refinement, which is most of its cost and smears motion over edges."""
    import cv2

    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    method.setGradientDescentIterations(12)
    method.setVariationalRefinementIterations(0)

    def flow(first: Picture, second: Picture) -> Field:
        method.setFinestScale(max(round(math.log2(max(first.shape[:2]) / 128)), 0))
        return cast(Field, method.calc(_grey(first), _grey(second), None))  # type: ignore[call-overload]

    return flow


def _farneback(first: Picture, second: Picture) -> Field:
    import cv2

    start = np.zeros((*first.shape[:2], 2), dtype=np.float32)
    found = cv2.calcOpticalFlowFarneback(
        _grey(first),
        _grey(second),
        start,
        pyr_scale=0.5,
        levels=4,
        winsize=15,
        iterations=2,
        poly_n=5,
        poly_sigma=1.1,
        flags=0,
    )
    return cast(Field, found)


def _raft(device: str) -> Flow:
    import torch

    network = _raft_network().to(device).eval()

    def flow(first: Picture, second: Picture) -> Field:
        height, width = first.shape[:2]
        pads = [max(128, -(-side // 8) * 8) - side for side in (height, width)]
        pair = np.stack(
            [np.pad(_colour(p), ((0, pads[0]), (0, pads[1]), (0, 0)), mode="edge") for p in (first, second)]
        )
        pixels = torch.from_numpy(pair).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.inference_mode():
            found = network(pixels[:1], pixels[1:])[-1][0, :, :height, :width]
        return cast(Field, np.ascontiguousarray(found.permute(1, 2, 0).float().cpu().numpy()))

    return flow


def _raft_network() -> Any:
    try:
        models = importlib.import_module("torchvision.models.optical_flow")
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            f"RAFT needs torchvision, which cannot be imported: {str(error).splitlines()[0]}",
            hint="install the torchvision that belongs to your torch, or take the flow dis",
        ) from error
    network = models.raft_small(weights=None, progress=False)
    try:
        weights = models.Raft_Small_Weights.DEFAULT.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"the weights of RAFT cannot be fetched: {error}", hint="connect once, or take the flow dis"
        ) from error
    network.load_state_dict(weights)
    return network


def _grey(picture: Picture) -> Picture:
    import cv2

    return picture if picture.ndim == 2 else cast(Picture, cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def _colour(picture: Picture) -> Picture:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)

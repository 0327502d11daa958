"""What each graph of a SAM 2 is given in use: objects followed through pictures, every part's inputs kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from seektrack.checkpoints.graphs import Graphs
from seektrack.compression.parts import GraphPart
from seektrack.segmentation import Sam2, VideoSession, propose
from seektrack.segmentation.onnx_network import OnnxNetwork
from seektrack.types import Mask, Prompt

FOLLOWED = 12
"""Pictures objects are followed through: then memories are full."""
OBJECTS = 3

Inputs = dict[str, NDArray[Any]]


class _Recorder(OnnxNetwork):
    """Graphs that are not written yet: their parts answer, and what they were given is kept."""

    def __init__(self, graphs: Graphs, parts: Sequence[GraphPart]) -> None:
        super().__init__(graphs)
        self.parts = {part.name: part for part in parts}
        self.given: dict[str, list[Inputs]] = defaultdict(list)

    def _run(self, name: str, *values: NDArray[Any]) -> list[NDArray[Any]]:
        part = self.parts[name]
        given = [np.ascontiguousarray(value) for value in values]
        self.given[name].append(dict(zip(part.inputs, given, strict=True)))
        out = part.module(*(torch.from_numpy(value) for value in given))
        return [one.float().numpy() for one in ((out,) if isinstance(out, torch.Tensor) else out)]


def recorded(
    sam2: Sam2, graphs: Graphs, parts: Sequence[GraphPart], pictures: Sequence[NDArray[np.uint8]]
) -> Mapping[str, list[Inputs]]:
    """Inputs by part: pictures through the image encoder, objects of the first followed through some.

    Args:
        sam2: The network, computed by torch.
        graphs: What the note will say; no file is read.
        parts: Its parts.
        pictures: RGB uint8 (H, W, 3), in the order of a video where they are of one.
    """
    recorder = _Recorder(graphs, parts)
    size = pictures[0].shape[1::-1]
    frames = [np.asarray(cv2.resize(one, size), np.uint8) for one in pictures[:FOLLOWED]]
    session = VideoSession(Sam2(recorder, sam2.resolution, name=sam2.name))
    for prompt in _prompts(sam2, frames[0]):
        session.add(prompt)
    with torch.inference_mode():
        for index, frame in enumerate(frames):
            session.step(frame, index)
        for picture in pictures[FOLLOWED:]:
            recorder.encode(recorder.pixels([picture]), hw=(picture.shape[0], picture.shape[1]))
    return recorder.given


def _prompts(sam2: Sam2, frame: NDArray[np.uint8]) -> list[Prompt]:
    """A box, a click and a mask of what stands out, or of the middle where nothing does."""
    found = [one.mask.to_array() for one in propose(sam2, frame, points_per_side=8)[:OBJECTS]]
    height, width = frame.shape[:2]
    middle = np.zeros((height, width), np.bool_)
    middle[height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)] = True
    masks = [*(one for one in found if one.any()), *[middle] * OBJECTS][:OBJECTS]
    corners = [np.nonzero(one) for one in masks]
    (ys, xs), (v, u) = corners[0], corners[1]
    nearest = np.argmin((u - u.mean()) ** 2 + (v - v.mean()) ** 2)
    point = np.array([[float(u[nearest]), float(v[nearest])]])
    return [
        Prompt(0, 0, box=(float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))),
        Prompt(1, 0, points=point, point_labels=np.array([1])),
        Prompt(2, 0, mask=Mask.from_array(masks[2])),
    ]

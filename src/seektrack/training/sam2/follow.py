"""J&F on held-out clips, through the product's own engine, before a fine-tuning and while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import VideoError
from seektrack.geometry import mask_to_box, resize_mask
from seektrack.metrics.masks import sequence_scores
from seektrack.segmentation import Sam2, VideoSession
from seektrack.training.datasets import FrameMasks, MaskClip
from seektrack.types import Mask, Prompt

LONG_SIDE = 640
"""Larger pictures are measured at this size: the network sees less."""
MIN_PIXELS = 20


class FollowValidator:
    """Boxes where objects first show, followed to the end of a window, against the truth.

    The window begins at the clip's first frame with an object on it. Frames nobody annotated are looked at
    and not counted; of a session those count that a person put right, as the rest is what a network said.

    Args:
        clips: Held-out clips.
        frames: Frames of a window.
    """

    def __init__(self, clips: Sequence[MaskClip], *, frames: int = 16) -> None:
        found = [(_window(clip, frames), clip.sure or {}) for clip in clips]
        self.windows = [window for window, _ in found if window]
        self._sure = [sure for window, sure in found if window]

    @property
    def objects(self) -> int:
        """Objects asked for."""
        return len({(i, n) for i, w in enumerate(self.windows) for _, known, _ in w for n in known.masks})

    def __call__(self, sam2: Sam2) -> dict[str, float]:
        """``J``, ``F`` and ``JF``, means over objects, in [0, 1]."""
        return summary(list(self.each(sam2)))

    def keep(self, count: int) -> None:
        """Look at the first ``count`` windows only from now on."""
        self.windows = self.windows[:count]

    def each(self, sam2: Sam2) -> Iterator[Followed]:
        """Every object, one after another."""
        for number, window in enumerate(self.windows):
            for obj_id, (truth, answer) in _followed(sam2, window).items():
                if len(truth) > 1:
                    scores = sequence_scores(truth, answer)
                    counted = self._counted(number, obj_id, len(truth))
                    j, f = float(scores.j[counted].mean()), float(scores.f[counted].mean())
                    yield Followed(number, obj_id, j, f, *(_packed(masks) for masks in (truth, answer)))

    def _counted(self, number: int, obj_id: int, length: int) -> list[int]:
        """Places, from the frame an object was asked for on, that are measured; the first never is."""
        indices = [index for _, _, index in self.windows[number]][-length:]
        sure = self._sure[number].get(obj_id, frozenset())
        return [k for k in range(1, length) if indices[k] in sure] or list(range(1, length))


@dataclass(frozen=True, eq=False)
class Followed:
    """One object followed through a window.

    Attributes:
        window, obj_id: Which.
        j, f: Means over its frames but the first, or those of them a person put right.
        truth, answer: A mask a frame, from the one it was asked for on to the window's end.
    """

    window: int
    obj_id: int
    j: float
    f: float
    truth: tuple[Mask, ...]
    answer: tuple[Mask, ...]


def summary(found: Sequence[Followed]) -> dict[str, float]:
    """``J``, ``F`` and ``JF``, means over objects."""
    mean_j, mean_f = (
        float(np.mean([getattr(one, name) for one in found])) if found else 0.0 for name in ("j", "f")
    )
    return {"J": round(mean_j, 4), "F": round(mean_f, 4), "JF": round((mean_j + mean_f) / 2, 4)}


def _packed(masks: Sequence[NDArray[np.bool_]]) -> tuple[Mask, ...]:
    return tuple(Mask.from_array(mask) for mask in masks)


Window = list[tuple[NDArray[np.uint8], FrameMasks, int]]
"""Pictures, what is known of them, and their frame index."""
Sequences = tuple[list[NDArray[np.bool_]], list[NDArray[np.bool_]]]


def _window(clip: MaskClip, count: int) -> Window:
    """The first annotated frames from the first with an object on, at most ``LONG_SIDE`` pixels long."""
    out: Window = []
    try:
        for frame, known in clip.frames():
            if known is None or (not out and not known.masks):
                continue
            out.append((_limited(frame.image), known, frame.index))
            if len(out) == count:
                break
    except VideoError:  # what comes before the damage is measured on
        return out
    return out


def _limited(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = LONG_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _followed(sam2: Sam2, window: Window) -> dict[int, Sequences]:
    """Truth and answer of each object from the frame it is asked for on."""
    session = VideoSession(sam2)
    out: dict[int, Sequences] = {}
    height, width = window[0][0].shape[:2]
    empty = np.zeros((height, width), bool)
    for t, (image, known, _) in enumerate(window):
        masks = {n: resize_mask(m.to_array(), (height, width)) for n, m in known.masks.items()}
        for obj_id, mask in masks.items():
            box = mask_to_box(mask)
            if obj_id not in out and box is not None and mask.sum() >= MIN_PIXELS:
                session.add(Prompt(obj_id, t, box=box))
                out[obj_id] = ([], [])
        if not out:
            continue
        answer = session.step(image, t)
        for obj_id, mask in zip(answer.obj_ids, answer.masks(), strict=True):
            out[obj_id][0].append(masks.get(obj_id, empty))
            out[obj_id][1].append(mask)
    return out

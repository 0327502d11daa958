"""J&F on films with masks: each object followed by the product's engine from a prompt on its first frame."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.evaluation.real.results import Measured, RealSettings, mean
from seektrack.geometry import mask_to_box, resize_mask
from seektrack.metrics import over_time, sequence_scores
from seektrack.segmentation import Sam2, VideoSession, load_sam2
from seektrack.training.datasets import FrameMasks, MaskClip
from seektrack.training.sam2.sources import holds_clips, read_clips
from seektrack.types import Mask, Prompt

LONG_SIDE = 640
"""Larger pictures are measured at this size: the network sees less."""
MIN_PIXELS = 20
"""An object is asked for on the first frame that shows so much of it."""
_FIGURES = ("JF", "J", "F", "consistency", "drift", "lost")
BoolMask = NDArray[np.bool_]


def holds_films(folder: Path) -> bool:
    """Whether a folder holds clips with masks."""
    return holds_clips(folder)


def measure_films(folder: Path, settings: RealSettings) -> Measured:
    """Follow every object of every film, and compare.

    The frame an object is asked for on does not count, nor do frames nobody annotated and pixels that are
    void. An object that left is right where both masks are empty. A film's figure is the mean over its
    objects, a folder's the mean over its films.

    Raises:
        InputError: The clips are malformed, or none shows an object for two frames.
    """
    clips = read_clips(folder)
    sam2 = load_sam2(settings.segmenter, device=settings.device)
    count = len(clips) if settings.limit is None else min(settings.limit, len(clips))
    items: dict[str, dict[str, float]] = {}
    objects, frames, seconds = 0, 0, 0.0
    for number in range(count):
        clip = clips[number]
        settings.tell(number, count, "films")
        began = time.monotonic()
        scores = film_scores(sam2, clip, settings)
        objects += max((len(values) for values in scores.values()), default=0)
        if scores:
            items[clip.key] = {name: mean(values) for name, values in scores.items()}
            seconds += time.monotonic() - began
            frames += _length(clip, settings.frames)
    settings.tell(count, count, "films")
    if not items:
        raise InputError(f"no clip in {folder} shows an object for two frames", hint="look at its masks")
    names = list(next(iter(items.values())))
    figures = {name: mean(item[name] for item in items.values()) for name in names}
    shown = {film: {n: v for n, v in item.items() if n[0] in "JF"} for film, item in items.items()}
    pace = round(frames / max(seconds, 1e-9), 2)
    return Measured(
        "films", {**figures, "films": len(items), "objects": objects, "frames_per_s": pace}, shown
    )


def _length(clip: MaskClip, most: int | None) -> int:
    with clip.open() as source:
        count = source.info.n_frames or 0
    return count if most is None else min(count, most)


def film_scores(sam2: Sam2, clip: MaskClip, settings: RealSettings) -> dict[str, list[float]]:
    """Figures for each prompt asked for, one value an object.

    ``JF_mask``, ``J_mask``, ``F_mask``, and by `seektrack.metrics.over_time` ``consistency_mask``,
    ``drift_mask``, ``lost_mask``; the same for ``box`` and ``click``.
    """
    asked: dict[int, tuple[int, str]] = {}
    truth: dict[int, list[BoolMask]] = defaultdict(list)
    answers: dict[int, list[BoolMask]] = defaultdict(list)
    session = VideoSession(sam2, remember="seen")
    for t, (image, masks, void) in enumerate(_frames(clip, settings.frames)):
        known = {} if masks is None else masks
        for obj_id, mask in known.items():
            if mask.sum() >= MIN_PIXELS and obj_id not in {of for of, _ in asked.values()}:
                for kind in settings.prompts:
                    number = len(asked) + 1
                    asked[number] = (obj_id, kind)
                    session.add(prompt_of(kind, mask, number, t))
        if not asked:
            continue
        answer = session.step(image, t)
        if masks is None:
            continue
        empty = np.zeros(image.shape[:2], bool)
        for number, said in zip(answer.obj_ids, answer.masks(), strict=True):
            truth[number].append(known.get(asked[number][0], empty))
            answers[number].append(said if void is None else said & ~void)
    out: dict[str, list[float]] = {f"{m}_{k}": [] for k in settings.prompts for m in _FIGURES}
    for number, (_, kind) in asked.items():
        if len(truth[number]) > 1:
            scores = sequence_scores(truth[number][1:], answers[number][1:])
            steady = over_time(truth[number][1:], answers[number][1:])
            agreement = (scores.j_and_f, scores.j_mean, scores.f_mean)
            values = (*agreement, steady.consistency, steady.drift, steady.lost)
            for name, value in zip(_FIGURES, values, strict=True):
                out[f"{name}_{kind}"].append(value)
    return out if all(out.values()) else {}


def prompt_of(kind: str, mask: BoolMask, obj_id: int, frame_index: int) -> Prompt:
    """What points at an object: its mask, the tight box of it, or a click on its innermost pixel."""
    if kind == "mask":
        return Prompt(obj_id, frame_index, mask=Mask.from_array(mask))
    if kind == "box":
        return Prompt(obj_id, frame_index, box=mask_to_box(mask))
    point = innermost(mask)[None]
    return Prompt(obj_id, frame_index, points=point, point_labels=np.ones(1, np.int64))


def innermost(mask: BoolMask) -> NDArray[np.float64]:
    """Centre ``(x, y)`` of the pixel of a mask (H, W) that is farthest from its outside.

    Where a person would click, and what Segment Anything is measured with (Kirillov et al.,
    arXiv:2304.02643).
    """
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return np.array([x + 0.5, y + 0.5], dtype=np.float64)


Seen = tuple[NDArray[np.uint8], Mapping[int, BoolMask] | None, BoolMask | None]


def _frames(clip: MaskClip, most: int | None) -> Iterator[Seen]:
    """Pictures with the masks of their objects, None where nobody annotated, and what is void."""
    for t, (frame, known) in enumerate(clip.frames()):
        if most is not None and t >= most:
            return
        image = _limited(frame.image)
        yield image, *_at(known, (image.shape[0], image.shape[1]))


def _at(
    known: FrameMasks | None, hw: tuple[int, int]
) -> tuple[Mapping[int, BoolMask] | None, BoolMask | None]:
    if known is None:
        return None, None
    void = None if known.void is None else resize_mask(known.void.to_array(), hw)
    return {n: resize_mask(mask.to_array(), hw) for n, mask in known.masks.items()}, void


def _limited(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = LONG_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

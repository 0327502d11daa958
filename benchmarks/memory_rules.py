"""Real films followed with and without each rule of memory and identity: J of each film's objects.

    python benchmarks/memory_rules.py FILMS --frames 40   # a folder of clips with masks, as for eval real
    python benchmarks/memory_rules.py --cups 02_cups.mp4  # the three cups of benchmarks/footage.py

Each object is asked for by its mask, and by its box, on the first frame, which does not count. The ways:

- ``all``: the engine alone, every followed frame remembered, as in the reference;
- ``seen``: the engine alone, frames without the object left out (the first rule of DAM4SAM);
- ``track``: the product: identity layer, and masks cleaned;
- ``plain``: the same, masks as they come (``--post none``);
- ``colours``: as ``track``, objects known again by colours and shape alone, not by the encoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from footage import ORDERS
from numpy.typing import NDArray

from seektrack.evaluation.colour_truth import ColourTruth
from seektrack.evaluation.real.films import LONG_SIDE, MIN_PIXELS
from seektrack.geometry import mask_to_box, resize_mask
from seektrack.metrics.masks import iou
from seektrack.pipeline import Models, track_objects
from seektrack.segmentation import VideoSession
from seektrack.tracking import FollowSettings
from seektrack.training.sam2.sources import read_clips
from seektrack.types import Mask, Prompt
from seektrack.video import open_video

Picture = NDArray[np.uint8]
BoolMask = NDArray[np.bool_]
Found = list[dict[int, BoolMask]]
WAYS = ("all", "seen", "track", "plain", "colours")


def engine_alone(models: Models, pictures: Sequence[Picture], prompts: Sequence[Prompt], way: str) -> Found:
    """Masks by object of every frame, as the engine gives them."""
    session = VideoSession(models.sam2.for_picture(pictures[0]), remember=way)
    for prompt in prompts:
        session.add(prompt)
    answers = (session.step(picture, t) for t, picture in enumerate(pictures))
    return [dict(zip(answer.obj_ids, answer.masks(), strict=True)) for answer in answers]


def tracked(models: Models, pictures: Sequence[Picture], prompts: Sequence[Prompt], way: str) -> Found:
    """Masks by object of every frame on which it is shown."""
    settings = FollowSettings(know_by_encoder=way != "colours")
    if way == "plain":
        settings = replace(settings, engine=replace(settings.engine, post=""))
    tracks = track_objects(np.stack(pictures), prompts=prompts, model=models, settings=settings)
    out: Found = [{} for _ in pictures]
    for track in tracks:
        for seen in track.observations:
            if seen.visible and seen.mask is not None:
                out[seen.frame_index][track.obj_id] = seen.mask.to_array()
    return out


def follow(models: Models, pictures: Sequence[Picture], prompts: Sequence[Prompt], way: str) -> Found:
    """By one of the ways."""
    alone: Callable[..., Found] = engine_alone if way in ("all", "seen") else tracked
    return alone(models, pictures, prompts, way)


def pointed(masks: Mapping[int, BoolMask], kind: str) -> list[Prompt]:
    """A prompt for each object that shows."""
    shown = {i: m for i, m in masks.items() if m.sum() >= MIN_PIXELS}
    if kind == "box":
        return [Prompt(i, 0, box=mask_to_box(m)) for i, m in shown.items()]
    return [Prompt(i, 0, mask=Mask.from_array(m)) for i, m in shown.items()]


def films(models: Models, folder: Path, ways: Sequence[str], frames: int) -> None:
    """A line a film, and the means."""
    rows: dict[str, list[list[float]]] = {kind: [] for kind in ("mask", "box")}
    for clip in read_clips(folder):
        pictures, truth = [], []
        for _, (frame, known) in zip(range(frames), clip.frames(), strict=False):
            scale = min(LONG_SIDE / max(frame.image.shape[:2]), 1.0)
            hw = round(frame.image.shape[0] * scale), round(frame.image.shape[1] * scale)
            small = cv2.resize(frame.image, hw[::-1], interpolation=cv2.INTER_AREA)
            pictures.append(np.asarray(small, np.uint8))
            masks = {} if known is None else known.masks
            truth.append({i: resize_mask(m.to_array(), hw) for i, m in masks.items()})
        for kind, held in rows.items():
            prompts = pointed(truth[0], kind)
            row = []
            for way in ways:
                found = follow(models, pictures, prompts, way)
                row.append(_mean_j(truth, found, [p.obj_id for p in prompts]))
            held.append(row)
            print(
                f"{clip.key:14} {kind:5}",
                *(f"{w} {j:.3f}" for w, j in zip(ways, row, strict=True)),
                flush=True,
            )
    for kind, held in rows.items():
        means = np.mean(held, axis=0)
        print(f"{'mean':14} {kind:5}", *(f"{w} {j:.3f}" for w, j in zip(ways, means, strict=True)))


def _mean_j(truth: Sequence[Mapping[int, BoolMask]], found: Found, asked: Sequence[int]) -> float:
    """Mean over objects and frames but the first; nothing is right where nothing is to be seen."""
    empty = np.zeros_like(next(iter(truth[0].values())))
    pairs = [
        (t.get(i, empty), f.get(i, empty)) for t, f in zip(truth[1:], found[1:], strict=True) for i in asked
    ]
    return float(np.mean([iou(a, b) for a, b in pairs]))


def cups(models: Models, path: Path, ways: Sequence[str], every: int) -> None:
    """J of the three cups from their boxes, where they stand apart."""
    with open_video(path) as video:
        taken = [(f.index, f.image) for f in video if f.index % every == 0]
    truth = ColourTruth(taken[0][1], ORDERS)
    known = [truth(image, index) for index, image in taken]
    prompts = pointed(known[0].apart, "box")
    for way in ways:
        found = follow(models, [image for _, image in taken], prompts, way)
        each = {p.obj_id: [] for p in prompts}
        for at, masks in zip(known, found, strict=True):
            for number, mask in at.apart.items():
                each[number].append(iou(mask, masks.get(number, np.zeros_like(mask))))
        told = " ".join(f"{n} {np.mean(v):.3f}" for n, v in each.items())
        mean = np.mean([v for values in each.values() for v in values])
        print(f"cups {way:8} J {mean:.3f} over {len(each[1])} frames apart: {told}", flush=True)


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("films", type=Path, nargs="?", help="folder of clips with masks")
    parser.add_argument("--cups", type=Path, help="02_cups.mp4")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--frames", type=int, default=40, help="of each film, at most")
    parser.add_argument("--every", type=int, default=1, help="of the cups, one frame in so many")
    parser.add_argument("--runtime", help="who computes, as onnx")
    given = parser.parse_args()
    models = Models("pocket", runtime=given.runtime)
    if given.films is not None:
        films(models, given.films, given.ways, given.frames)
    if given.cups is not None:
        cups(models, given.cups, given.ways, given.every)


if __name__ == "__main__":
    main()

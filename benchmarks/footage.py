"""What a segmenter does with real footage: the cups against a colour's truth, other clips as pictures.

The clips are the samples of the public repositories facebookresearch/EdgeTAM (folder ``examples/``) and
facebookresearch/sam2 (``notebooks/videos/``), both Apache-2.0; seektrack does not ship them.

    python benchmarks/footage.py                                  # nothing to look at: says so
    python benchmarks/footage.py --clips FOLDER --out /tmp/sheets
    python benchmarks/footage.py --clips FOLDER --only 02_cups --modes memory hybrid --model FOLDER

``02_cups.mp4``: three red cups change places. Where they stand apart a threshold of the colour gives the
pixels of each, and the order they stand in, written down here, says which is which (the ball, under cup 1 at
first, turns up under it at the end); where they touch, the pixels of all three together. Each is asked for by
its box on the first frame. The others are asked for by a box on the obvious thing, and shown at the
beginning, after a quarter and a half, and at the end: ``CLIP-MODE.png``.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from seektrack.evaluation.colour_truth import ColourTruth
from seektrack.geometry import Box, mask_to_box
from seektrack.metrics.masks import iou
from seektrack.outputs.palette import object_colour
from seektrack.pipeline import parse_model
from seektrack.segmentation import PropagationSettings, Sam2, load_sam2, segment_video
from seektrack.types import Frame, Prompt
from seektrack.video import open_video

Image = NDArray[np.uint8]

MODES = {
    "memory": PropagationSettings(),
    "hybrid": PropagationSettings(mode="hybrid"),
    "flow": PropagationSettings(mode="flow"),
}
CUPS = "02_cups"
ORDERS = {
    0: (1, 2, 3),
    59: (2, 1, 3),
    78: (1, 2, 3),
    109: (3, 2, 1),
    149: (3, 1, 2),
    196: (1, 3, 2),
    216: (1, 2, 3),
    233: (2, 1, 3),
    256: (2, 3, 1),
}
"""Frame → the cups from left to right, from there on whenever they stand apart."""

BOXES: dict[str, dict[str, Box]] = {
    "01_dog": {"dog": (450, 378, 704, 550)},
    "03_blocks": {"block W": (538, 455, 632, 550), "block A": (550, 305, 640, 395)},
    "05_default_juggle": {"ball": (615, 285, 692, 362), "man": (605, 48, 833, 672)},
    "08_driving": {"car left": (306, 491, 403, 556), "car right": (709, 494, 774, 556)},
    "09_birdcartoon": {"bird": (346, 59, 993, 482)},
    "12_hideandseek": {"man": (556, 154, 1006, 686), "boy": (321, 385, 556, 682)},
    "bedroom": {"girl": (309, 0, 517, 393), "boy": (161, 137, 300, 402)},
}
"""Clip → boxes on its first frame, ``xyxy`` in source pixels."""


@dataclass
class Sheet:
    """Four moments of a clip with what was found, side by side."""

    wanted: list[int]
    width: int
    panels: list[Image] = field(default_factory=list)

    def add(self, frame: Frame, masks: NDArray[np.bool_], boxes: dict[int, Box] | None) -> None:
        """Draw a frame; on the first one also the boxes that were given."""
        out = frame.image.copy()
        for number, mask in enumerate(masks, start=1):
            colour = np.array(object_colour(number), np.float64)
            out[mask] = (0.45 * out[mask] + 0.55 * colour).astype(np.uint8)
            edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(out, edges, -1, object_colour(number), 5)
        for number, (x0, y0, x1, y1) in (boxes or {}).items():
            corners = (round(x0), round(y0)), (round(x1), round(y1))
            cv2.rectangle(out, *corners, (255, 255, 255), 8)
            cv2.rectangle(out, *corners, object_colour(number), 4)
        height = round(self.width * out.shape[0] / out.shape[1])
        self.panels.append(np.asarray(cv2.resize(out, (self.width, height), interpolation=cv2.INTER_AREA)))

    def write(self, path: Path) -> None:
        """As a PNG of 128 colours."""
        from PIL import Image as Picture

        path.parent.mkdir(parents=True, exist_ok=True)
        whole = Picture.fromarray(np.hstack(self.panels))
        whole.quantize(128, dither=Picture.Dither.NONE).save(path, optimize=True)


def followed(
    sam2: Sam2, path: Path, boxes: dict[int, Box], mode: str, every: int, sheet: Sheet | None
) -> Iterator[tuple[Frame, dict[int, NDArray[np.bool_]]]]:
    """Frames of a clip and each thing's mask, from boxes on the first one."""
    prompts = [Prompt(number, 0, box=box) for number, box in boxes.items()]
    held: dict[int, Frame] = {}

    def frames() -> Iterator[Frame]:
        with open_video(path) as video:
            for frame in video:
                if frame.index % every == 0:
                    held[frame.index] = frame
                    yield frame

    for answer in segment_video(sam2, frames(), prompts, propagation=MODES[mode]):
        frame = held.pop(answer.frame_index)
        masks = answer.masks()
        if sheet is not None and frame.index in sheet.wanted:
            sheet.add(frame, masks, boxes if frame.index == 0 else None)
        yield frame, dict(zip(answer.obj_ids, masks, strict=True))


def sheet_for(path: Path, every: int, width: int) -> Sheet:
    """The first, quarter, middle and last frame among those looked at."""
    with open_video(path) as video:
        last = (video.len_frames() - 1) // every
    return Sheet([every * round(last * share) for share in (0, 0.25, 0.5, 1)], width)


def cups(sam2: Sam2, path: Path, mode: str, every: int, out: Path | None, width: int) -> None:
    """J of each cup and of all three."""
    with open_video(path) as video:
        truth = ColourTruth(video.frame_at(0).image, ORDERS)
        start = truth(video.frame_at(0).image, 0).apart
    boxes = {number: box for number in sorted(start) if (box := mask_to_box(start[number]))}
    sheet = sheet_for(path, every, width)
    each: dict[int, list[float]] = defaultdict(list)
    union: list[float] = []
    right: list[bool] = []
    began = time.process_time()
    for frame, masks in followed(sam2, path, boxes, mode, every, sheet):
        known = truth(frame.image, frame.index)
        union.append(iou(known.union, np.any(list(masks.values()), axis=0)))
        for number, mask in known.apart.items():
            each[number].append(iou(mask, masks[number]))
            covered = {other: int((mask & masks[other]).sum()) for other in masks}
            right.append(covered[number] > 0 and covered[number] == max(covered.values()))
    spent = time.process_time() - began
    told = "  ".join(f"cup {number} {np.mean(each[number]):.3f}" for number in sorted(each))
    mean = float(np.mean([value for values in each.values() for value in values]))
    first = "  ".join(f"{each[number][0]:.3f}" for number in sorted(each))
    thirds = "  ".join(f"{np.mean(part):.3f}" for part in np.array_split(union, 3))
    print(f"{path.stem} {mode}: J {mean:.3f} over {len(each[1])} frames where they stand apart: {told}")
    print(f"  first frame {first}; the right cup has most of its pixels {np.mean(right):.3f}")
    print(f"  union of all three over {len(union)} frames {np.mean(union):.3f}; by thirds {thirds}")
    print(f"  {spent / len(union):.3f} s of processor time a frame")
    if out is not None:
        sheet.write(out / f"{path.stem}-{mode}.png")


def others(sam2: Sam2, path: Path, mode: str, every: int, out: Path | None, width: int) -> None:
    """Pictures, and how much of the frame each thing takes at the four moments."""
    boxes = dict(enumerate(BOXES[path.stem].values(), start=1))
    sheet = sheet_for(path, every, width)
    areas: dict[int, list[float]] = defaultdict(list)
    for frame, masks in followed(sam2, path, boxes, mode, every, sheet):
        if frame.index in sheet.wanted:
            for number, mask in masks.items():
                areas[number].append(float(mask.mean()))
    for number, name in enumerate(BOXES[path.stem], start=1):
        x0, y0, x1, y1 = boxes[number]
        told = " → ".join(f"{100 * share:.2f}" for share in areas[number])
        print(f"{path.stem} {mode}: {name}, box of {(x1 - x0) * (y1 - y0):.0f} px, % of the frame {told}")
    if out is not None:
        sheet.write(out / f"{path.stem}-{mode}.png")


def main() -> None:
    """Run over the clips there are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="folder with the mp4 files")
    parser.add_argument("--only", nargs="+", help="names of clips, without .mp4")
    parser.add_argument("--modes", nargs="+", default=["memory"], choices=list(MODES))
    parser.add_argument("--every", type=int, default=1, help="look at one frame in so many")
    parser.add_argument("--model", default="pocket", help="segmenter, or a folder with clip/ and sam2/")
    parser.add_argument("--resolution", type=int, help="side of the network's input")
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    parser.add_argument("--width", type=int, default=320, help="of each picture of a sheet")
    chosen = parser.parse_args()
    if chosen.clips is None:
        print("no footage: name a folder with --clips; see --help for where the clips come from")
        return
    torch.set_num_threads(1)
    sam2 = load_sam2(parse_model(chosen.model)[1], resolution=chosen.resolution)
    for name in chosen.only or [CUPS, *BOXES]:
        path = chosen.clips / f"{name}.mp4"
        if not path.is_file():
            print(f"{name}: not in {chosen.clips}")
            continue
        for mode in chosen.modes:
            measure = cups if name == CUPS else others
            measure(sam2, path, mode, chosen.every, chosen.out, chosen.width)


if __name__ == "__main__":
    main()

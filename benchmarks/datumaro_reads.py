"""What datumaro reads of our files: identities, boxes, labels and masks, frame by frame.

datumaro asks for versions that clash with those of this package, so it goes into an environment of its own:

    python -m venv scratch && scratch/bin/pip install seektrack
    scratch/bin/pip install --no-deps datumaro attrs cachetools defusedxml imagesize lxml
    scratch/bin/pip install --no-deps json-stream json-stream-rs-tokenizer orjson ruamel.yaml shapely
    scratch/bin/python benchmarks/datumaro_reads.py

Prints a line for each format: observations found again of those written, and the largest error of a side of a
box, in pixels, and of an area. Ends with status 1 where one is lost.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from seektrack.outputs import save_tracks
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

H, W, N = 60, 80, 12
FORMATS = {"coco": "coco", "cvat": "cvat", "cvat-mot": "mot_seq", "yolo-dataset": "yolo"}
"""Our formats, and what datumaro calls each."""
Found = dict[tuple[int, int], tuple[tuple[float, ...], str, float]]


def film() -> Tracks:
    """Two discs on twelve frames; the second is gone on two of them."""

    def track(obj_id: int, label: str, x: int, step: int, y: int, radius: int) -> Track:
        ys, xs = np.mgrid[:H, :W]
        held = []
        for i in range(N):
            if obj_id == 4 and i in (5, 6):
                continue
            mask = Mask.from_array((xs - x - step * i) ** 2 + (ys - y) ** 2 <= radius**2)
            held.append(Observation(i, i / 10, mask.box or (0, 0, 1, 1), mask, 0.75))
        return Track(obj_id, label, 0.75, tuple(held))

    tracks = track(1, "person", 12, 4, 18, 7), track(4, "car", 60, -4, 42, 8)
    return Tracks(
        VideoInfo("film.mp4", W, H, Fraction(10), N / 10, N), "", tracks, {i: i / 10 for i in range(N)}
    )


def write(tracks: Tracks, name: str, folder: Path) -> None:
    """One format, with the pictures where datumaro looks for them."""
    if name == "yolo-dataset":
        save_tracks(tracks, folder, name)
        for label in (folder / "labels/train").iterdir():
            cv2.imwrite(str(folder / "images/train" / f"{label.stem}.png"), np.zeros((H, W, 3), np.uint8))
        return
    if name != "coco":
        save_tracks(tracks, folder / "film.xml" if name == "cvat" else folder, name)
        return
    file = folder / "annotations/instances_default.json"
    file.parent.mkdir(parents=True)
    save_tracks(tracks, file, name)
    pictures = folder / "images/default"
    pictures.mkdir(parents=True)
    for image in json.loads(file.read_text())["images"]:
        cv2.imwrite(str(pictures / image["file_name"]), np.zeros((H, W, 3), np.uint8))


def read(folder: Path, name: str) -> Found:
    """What datumaro finds, by identity and frame; masks win over boxes."""
    from datumaro import AnnotationType, Dataset

    ids = dict(json.loads((folder / "objects.json").read_text())["rows"]) if name == "yolo-dataset" else {}
    held: Any = Dataset.import_from(str(folder), FORMATS[name])
    labels = [label.name for label in held.categories()[AnnotationType.label]]
    found: Found = {}
    for item in held:
        number = int(re.findall(r"\d+", item.id)[-1]) - (name in ("cvat-mot", "yolo-dataset"))
        frame = number if item.attributes.get("frame") is None else int(item.attributes["frame"])
        for one in sorted(item.annotations, key=lambda a: a.type == AnnotationType.mask):
            if one.attributes.get("outside") or one.attributes.get("ignored"):
                continue
            x, y, w, h = map(float, one.get_bbox())
            place = int(ids[frame][one.id] if ids else one.attributes["track_id"]), frame
            found[place] = (x, y, x + w, y + h), labels[one.label], float(one.get_area())
    return found


def main() -> None:
    """Write, let datumaro read, compare."""
    tracks, lost = film(), False
    truth = {(t.obj_id, o.frame_index): (o, t.label) for t in tracks for o in t.observations}
    for name in FORMATS:
        with tempfile.TemporaryDirectory() as room:
            write(tracks, name, Path(room) / "set")
            found = read(Path(room) / "set", name)
        same = {place for place in found.keys() & truth.keys() if found[place][1] == truth[place][1]}
        sides = max((np.abs(np.subtract(found[p][0], truth[p][0].box)).max() for p in same), default=np.nan)
        areas = [abs(found[p][2] - truth[p][0].mask.area) for p in same] if name == "coco" else []
        told = f", area {max(areas):g}" if areas else ""
        print(f"{name:9s} {len(same)} of {len(truth)} observations, box {sides:g} px{told}")
        lost |= len(same) < len(truth) or len(found) > len(truth)
    sys.exit(lost)


if __name__ == "__main__":
    main()

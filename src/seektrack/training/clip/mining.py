"""What a segmenter proposes in training scenes, labelled by the truth: the pictures a search really meets.

A library embeds the boxes that SAM 2 proposes, and many of them hold no object as a caption would name it: a
tree's canopy, a lit house, the head of a dog, two objects at once. They are mined here once, compressed on
disk, so that the encoder can be taught what to say to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.files import new_file
from seektrack.geometry import Box
from seektrack.training.clip.frames import Objects, decode_rgb, encode_rgb, objects_of, training_settings
from seektrack.training.clip.names import ANY, COLOUR_NAMES
from seektrack.training.clip.samples import visible
from seektrack.world import Scene, SceneSettings, Split, frames, sample_scene, seeds

if TYPE_CHECKING:
    from seektrack.segmentation import Sam2

SHARD_SCENES = 25
SCENERY_PER_SHARD = 100
FIRST = 1_000_000
"""Mined scenes start here in the seeds of their split, away from those of the other stages."""
MAX_REGIONS, MIN_QUALITY, POINTS_PER_SIDE = 24, 0.3, 12
"""What indexing keeps of a frame, and the grid it asks at."""
WHOLE_IOU, PART_SHARE, COVERED, SHOWN, SEEN_SHARE = 0.5, 0.7, 0.15, 0.5, 0.02
MARGIN = 0.45
"""Of the crops that a search looks at, as a share of half the longer side."""
_MAX_LABELS = 6
_MIN_SIDE = 10.0


@dataclass(frozen=True)
class Verdict:
    """What may rightly be said of a region.

    Attributes:
        labels: Category × colour numbers, each of which is right.
        background: Whether refusing it is right too.
    """

    labels: tuple[int, ...]
    background: bool


def mining_settings(*, rich: bool = False) -> tuple[SceneSettings, ...]:
    """The scenes to mine, one after another: streets with few objects, crowds, and all the world has.

    Args:
        rich: Half of them in the world's rich style.
    """
    street = SceneSettings(
        n_frames=4, actors=(1, 4), street_only=True, object_size=(14.0, 50.0), speed=(4.0, 30.0), rough=0.35
    )
    crowd = SceneSettings(
        n_frames=4, actors=(3, 6), occluders=4, look_alikes=0.6, object_size=(18.0, 56.0), speed=(4.0, 30.0)
    )
    if rich:
        varied = training_settings(4, rich=True)
        return street, varied, crowd, varied, street, varied, training_settings(4), varied
    return street, street, street, crowd, training_settings(4)


def verdict(mask: NDArray[np.bool_], box: Box, ids: NDArray[np.uint8], objects: Objects) -> Verdict | None:
    """Judge a region by the truth.

    A mask that is an object's (IoU of a half) is that object. A part of one object is that object where the
    region's surroundings show at least half of it; of a smaller part, refusing it is right as well. What
    holds several objects, or one that fills little of it, may be called each of them or refused. What holds
    none must be refused, and so must a nameless thing; but what may be refused may also be called by any
    object that the crop shows beside it.

    Args:
        mask: bool (H, W).
        box: Around it, ``xyxy`` pixels.
        ids: uint8 (H, W), the true object of each pixel.
        objects: What the picture shows.

    Returns:
        The verdict; None where the object cannot fairly be named, too little of it being visible.
    """
    count = max(1, int(mask.sum()))
    inside = np.bincount(ids[mask], minlength=256)[objects.ids]
    share = inside / count
    iou = inside / np.maximum(count + objects.area - inside, 1)
    named = objects.names[:, 0] != ANY
    labels = objects.names[:, 0] * len(COLOUR_NAMES) + objects.names[:, 1]
    fair = np.isin(np.arange(len(share)), visible(objects))
    beside = named & fair & _shown(ids, box, MARGIN, objects)

    def said(mine: NDArray[np.bool_]) -> Verdict:
        numbers = np.unique(labels[mine & named | beside])[:_MAX_LABELS]
        return Verdict(tuple(int(v) for v in numbers), background=True)

    slot = int(iou.argmax()) if len(iou) else 0
    if len(iou) and iou[slot] >= WHOLE_IOU:
        if not fair[slot]:
            return None
        return Verdict((int(labels[slot]),), background=False) if named[slot] else said(np.zeros_like(named))
    slot = int(share.argmax()) if len(share) else 0
    if len(share) and share[slot] >= PART_SHARE:
        clear = (
            named[slot] and fair[slot] and _held(ids, box, 0.25, objects)[slot] >= SHOWN * objects.area[slot]
        )
        part = np.arange(len(share)) == slot
        return Verdict((int(labels[slot]),), background=False) if clear else said(part)
    return said((share >= COVERED) | _shown(ids, box, 0.0, objects))


def _area(box: Box) -> float:
    return max(1.0, (box[2] - box[0]) * (box[3] - box[1]))


def _window(box: Box, margin: float) -> Box:
    """The box, or with a margin the square around it that a crop shows."""
    if not margin:
        return box
    half = max(box[2] - box[0], box[3] - box[1]) / 2 * (1 + margin)
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return cx - half, cy - half, cx + half, cy + half


def _held(ids: NDArray[np.uint8], box: Box, margin: float, objects: Objects) -> NDArray[np.int64]:
    """Pixels of each object (N,) in the window."""
    x0, y0, x1, y1 = _window(box, margin)
    window = ids[max(0, int(y0)) : max(0, int(np.ceil(y1))), max(0, int(x0)) : max(0, int(np.ceil(x1)))]
    return np.bincount(window.ravel(), minlength=256)[objects.ids].astype(np.int64)


def _shown(ids: NDArray[np.uint8], box: Box, margin: float, objects: Objects) -> NDArray[np.bool_]:
    """Which objects (N,) the window shows half of, large enough to be seen in it."""
    held = _held(ids, box, margin, objects)
    return (held >= SHOWN * objects.area) & (held >= SEEN_SHARE * _area(_window(box, margin)))


def scenery(scene: Scene) -> Iterator[Box]:
    """Boxes around canopies, posts and walls as the first frame shows them."""
    s = scene.settings
    for o in scene.occluders:
        boxes = [(o.x - o.width / 2, o.top, o.x + o.width / 2, float(s.height))]
        if o.leaves is not None:
            low = (o.leaves[:, :2] - o.leaves[:, 2:]).min(0).tolist()
            high = (o.leaves[:, :2] + o.leaves[:, 2:]).max(0).tolist()
            boxes += [(low[0], low[1], high[0], high[1]), (low[0], low[1], high[0], float(s.height))]
        for x0, y0, x1, y1 in boxes:
            cut = (max(0.0, x0), max(0.0, y0), min(float(s.width), x1), min(float(s.height), y1))
            if min(cut[2] - cut[0], cut[3] - cut[1]) >= _MIN_SIDE / 2 and _area(cut) >= _MIN_SIDE**2:
                yield cut


class _Shard:
    """Pictures and judged regions on their way to a file."""

    def __init__(self) -> None:
        self.pictures: list[NDArray[np.uint8]] = []
        self.rows: list[list[float]] = []

    def picture(self, image: NDArray[np.uint8]) -> None:
        self.pictures.append(encode_rgb(image, 93))

    def region(self, mask: NDArray[np.bool_], box: Box, ids: NDArray[np.uint8], objects: Objects) -> None:
        said = verdict(mask, box, ids, objects)
        if said is not None:
            labels = [*said.labels, *[-1] * (_MAX_LABELS - len(said.labels))]
            self.rows.append([len(self.pictures) - 1, *box, float(said.background), *labels])

    def boxes(self, scene: Scene, ids: NDArray[np.uint8], objects: Objects) -> None:
        for box in scenery(scene):
            mask = np.zeros(ids.shape, bool)
            x0, y0, x1, y1 = (round(v) for v in box)
            mask[y0:y1, x0:x1] = True
            self.region(mask, box, ids, objects)

    def save(self, path: Path) -> None:
        with new_file(path) as temporary, temporary.open("wb") as stream:
            np.savez(
                stream,
                pictures=np.concatenate(self.pictures),
                picture_ends=np.cumsum([len(p) for p in self.pictures]),
                regions=np.array(self.rows, np.float64).reshape(-1, 6 + _MAX_LABELS),
            )


def mine_shard(
    path: Path, sam2: Sam2, scene_seeds: range, scenery_seeds: range, *, rich: bool = False
) -> None:
    """Propose in two frames of each scene, box the scenery of others, judge all, write one npz file."""
    from seektrack.segmentation import propose

    shard, kinds = _Shard(), mining_settings(rich=rich)
    for seed in scene_seeds:
        scene = sample_scene(seed, kinds[seed % len(kinds)])
        for t, (image, ids, full_area) in enumerate(frames(scene)):
            if t not in (0, scene.settings.n_frames - 1):
                continue
            objects = objects_of(scene, ids, full_area)
            shard.picture(image)
            found = propose(sam2, image, points_per_side=POINTS_PER_SIDE)
            ranked = sorted((p for p in found if p.score >= MIN_QUALITY), key=lambda p: -p.score)
            for proposal in ranked[:MAX_REGIONS]:
                shard.region(proposal.mask.to_array(), proposal.box, ids, objects)
            if t == 0:
                shard.boxes(scene, ids, objects)
    for seed in scenery_seeds:
        scene = sample_scene(seed, kinds[seed % len(kinds)])
        if scene.occluders:
            image, ids, full_area = next(frames(scene))
            shard.picture(image)
            shard.boxes(scene, ids, objects_of(scene, ids, full_area))
    shard.save(path)


def mine(
    folder: Path,
    split: Split,
    sam2: Sam2,
    *,
    scenes: int,
    rich: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Path]:
    """Mine the shards of a split that are not on disk yet; returns the paths of all of them.

    Args:
        folder: Where they are kept; their names tell which segmenter proposed.
        split: Whose scenes.
        sam2: Proposes.
        scenes: How many scenes; two frames of each are mined.
        rich: Half of them in the world's rich style.
        progress: Called with done, total and the name of the stage.

    Raises:
        InputError: ``scenes`` below one.
    """
    if scenes < 1:
        raise InputError(f"nothing to mine: {scenes} scenes", hint="pass at least 1")
    name = ("rich-" if rich else "") + sam2.fingerprint[:8]
    paths = []
    for first in range(0, scenes, SHARD_SCENES):
        count = min(SHARD_SCENES, scenes - first)
        path = folder / f"{split.name.lower()}-proposals-{name}-{first:06d}-{count}.npz"
        if not path.exists():
            extra = count * SCENERY_PER_SHARD // SHARD_SCENES
            start = FIRST + FIRST // 2 + first * SCENERY_PER_SHARD // SHARD_SCENES
            chosen = seeds(split, count, start=FIRST + first), seeds(split, extra, start=start)
            mine_shard(path, sam2, *chosen, rich=rich)
            if progress:
                progress(first + count, scenes, "proposing objects")
        paths.append(path)
    return paths


class RegionStore:
    """Mined regions in memory, their pictures still compressed.

    Args:
        paths: Shards that :func:`mine` wrote.

    Attributes:
        frame: int (M,), the picture of each region.
        boxes: float (M, 4), ``xyxy`` pixels.
        allowed: bool (M, L + 1), which labels are right, and last whether refusing is.
    """

    def __init__(self, paths: list[Path], n_labels: int) -> None:
        self._pictures: list[NDArray[np.uint8]] = []
        tables = []
        for path in paths:
            with np.load(path, allow_pickle=False) as shard:
                table = shard["regions"]
                table[:, 0] += len(self._pictures)
                tables.append(table)
                self._pictures += np.split(shard["pictures"], shard["picture_ends"][:-1])
        rows = np.concatenate(tables)
        self.frame = rows[:, 0].astype(np.int64)
        self.boxes = rows[:, 1:5]
        self.allowed = np.zeros((len(rows), n_labels + 1), bool)
        self.allowed[:, n_labels] = rows[:, 5] > 0
        for column in range(6, 6 + _MAX_LABELS):
            has = rows[:, column] >= 0
            self.allowed[np.flatnonzero(has), rows[has, column].astype(np.int64)] = True

    def __len__(self) -> int:
        return len(self.frame)

    def picture(self, region: int) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3), the picture that holds the region."""
        return decode_rgb(self._pictures[int(self.frame[region])])

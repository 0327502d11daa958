"""Rendered pictures of the world with what is in them, compressed on disk: rendering is paid once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.files import new_file
from seektrack.geometry import mask_to_box
from seektrack.training.clip.names import CATEGORY_NAMES, COLOUR_NAMES, NOWHERE, Where, where_of
from seektrack.world import Clip, Scene, SceneSettings, Split, render, sample_scene, seeds

SHARD_CLIPS = 200
THING = -1
"""Category and colour number of an object without a name."""


@dataclass(frozen=True, eq=False)
class Objects:
    """The visible objects of one picture.

    Attributes:
        names: int (N, 2), category and colour by number, ``THING`` for nameless ones.
        ids: int (N,), their value in the id picture.
        boxes: float (N, 4), xyxy pixels around the visible part.
        area: int (N,), visible pixels.
        visibility: float (N,), visible share of what the picture would show if nothing covered it.
    """

    names: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    area: NDArray[np.int64]
    visibility: NDArray[np.float64]


def training_settings(frames_per_clip: int, *, rich: bool = False) -> SceneSettings:
    """Ordinary scenes with nameless things in them and enough motion that every frame is news."""
    plain = SceneSettings(n_frames=max(4, frames_per_clip), things=(0, 2), speed=(4.0, 30.0))
    return replace(plain, style="rich") if rich else plain


def objects_of(scene: Scene, ids: NDArray[np.uint8], full_area: NDArray[np.int64]) -> Objects:
    """The visible objects of one drawn frame: ids (H, W), and the uncovered area (N,) of each actor."""
    rows = []
    counts = np.bincount(ids.ravel(), minlength=len(scene.actors) + 1)
    for slot, actor in enumerate(scene.actors):
        box = mask_to_box(ids == actor.obj_id)
        if box is None:
            continue
        category = CATEGORY_NAMES.index(actor.category) if actor.category is not None else THING
        colour = COLOUR_NAMES.index(actor.colour) if actor.colour is not None else THING
        area = int(counts[actor.obj_id])
        visibility = area / full_area[slot] if full_area[slot] > 0 else 0.0
        rows.append([category, colour, actor.obj_id, *box, area, visibility])
    return _objects(np.array(rows, dtype=np.float64).reshape(-1, 9))


def _objects(rows: NDArray[np.float64]) -> Objects:
    return Objects(
        names=rows[:, :2].astype(np.int64),
        ids=rows[:, 2].astype(np.int64),
        boxes=rows[:, 3:7],
        area=rows[:, 7].astype(np.int64),
        visibility=rows[:, 8],
    )


def _rows(clip: Clip, t: int, frame: int) -> list[list[float]]:
    o = objects_of(clip.scene, clip.ids[t], clip.full_area[t])
    columns = (o.names, o.ids[:, None], o.boxes, o.area[:, None], o.visibility[:, None])
    return [[frame, *row] for row in np.concatenate(columns, axis=1).tolist()]


def render_shard(path: Path, scene_seeds: range, settings: SceneSettings, keep: int) -> None:
    """Render ``keep`` pictures of each scene into one npz file, complete or not there at all."""
    pictures: list[NDArray[np.uint8]] = []
    id_maps: list[NDArray[np.uint8]] = []
    rows: list[list[float]] = []
    places: list[Where] = []
    for seed in scene_seeds:
        clip = render(sample_scene(seed, settings))
        for t in np.linspace(0, len(clip.frames) - 1, keep).astype(int):
            rows += _rows(clip, int(t), len(pictures))
            pictures.append(encode_rgb(clip.frames[t], 93))
            places.append(where_of(clip.scene))
            id_maps.append(
                np.asarray(cv2.imencode(".png", clip.ids[t], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]).ravel()
            )
    with new_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            pictures=np.concatenate(pictures),
            picture_ends=np.cumsum([len(p) for p in pictures]),
            id_maps=np.concatenate(id_maps),
            id_ends=np.cumsum([len(p) for p in id_maps]),
            objects=np.array(rows, dtype=np.float64).reshape(-1, 10),
            where=np.array(places, dtype=np.int64).reshape(-1, 3),
        )


def prepare(
    folder: Path,
    split: Split,
    *,
    clips: int,
    keep: int,
    start: int = 0,
    rich: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Path]:
    """Render the shards of a split that are not on disk yet; returns the paths of all of them.

    Args:
        folder: Where they are kept.
        split, start: Whose seeds, and from which on.
        clips: Scenes.
        keep: Pictures kept of each.
        rich: Draw them in the world's rich style.
        progress: Called with done, total and the name of the stage.

    Raises:
        InputError: ``clips`` or ``keep`` below one.
    """
    if clips < 1 or keep < 1:
        raise InputError(f"nothing to render: {clips} clips of {keep} frames", hint="pass at least 1 of each")
    paths = []
    kind = split.name.lower() + ("-rich" if rich else "")
    settings = training_settings(keep, rich=rich)
    for first in range(0, clips, SHARD_CLIPS):
        count = min(SHARD_CLIPS, clips - first)
        path = folder / f"{kind}-{start + first:07d}-{count}x{keep}.npz"
        if not path.exists():
            render_shard(path, seeds(split, count, start=start + first), settings, keep)
            if progress:
                progress(first + count, clips, "rendering scenes")
        paths.append(path)
    return paths


def _decode(data: NDArray[np.uint8], flags: int) -> NDArray[np.uint8]:
    image = cv2.imdecode(data, flags)
    if image is None:
        raise InputError(
            "a rendered picture cannot be read back", hint="delete the folder of rendered pictures"
        )
    return np.asarray(image, dtype=np.uint8)


def encode_rgb(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) as the bytes of a JPEG."""
    bgr = np.ascontiguousarray(image[..., ::-1])
    return np.asarray(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], np.uint8).ravel()


def decode_rgb(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bytes of a JPEG as RGB uint8 (H, W, 3)."""
    return np.ascontiguousarray(_decode(data, cv2.IMREAD_COLOR)[..., ::-1])


class FrameStore:
    """Pictures of many shards in memory, still compressed; more shards may be added at any time."""

    def __init__(self, paths: list[Path]) -> None:
        self._loaded: set[Path] = set()
        self._pictures: list[NDArray[np.uint8]] = []
        self._id_maps: list[NDArray[np.uint8]] = []
        self._objects: list[Objects] = []
        self._where: list[Where] = []
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> None:
        """Load a shard unless it is loaded already."""
        if path in self._loaded:
            return
        self._loaded.add(path)
        with np.load(path, allow_pickle=False) as shard:
            count = len(shard["picture_ends"])
            self._pictures += np.split(shard["pictures"], shard["picture_ends"][:-1])
            self._id_maps += np.split(shard["id_maps"], shard["id_ends"][:-1])
            table = shard["objects"]
            known = shard["where"] if "where" in shard.files else np.tile(NOWHERE, (count, 1))
        self._where += [(int(p), int(light), int(weather)) for p, light, weather in known]
        for frame in range(count):
            rows = table[table[:, 0] == frame]
            self._objects.append(_objects(rows[:, 1:]))

    def __len__(self) -> int:
        return len(self._pictures)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3)."""
        return decode_rgb(self._pictures[index])

    def id_map(self, index: int) -> NDArray[np.uint8]:
        """uint8 (H, W): 0 background, the object's id elsewhere."""
        return _decode(self._id_maps[index], cv2.IMREAD_GRAYSCALE)

    def objects(self, index: int) -> Objects:
        """What the picture shows."""
        return self._objects[index]

    def where(self, index: int) -> Where:
        """Where the picture was taken."""
        return self._where[index]

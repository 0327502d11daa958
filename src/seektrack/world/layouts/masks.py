"""Masks as a PNG of object ids a frame: DAVIS 2017 and YouTube-VOS.

Ids are those of the world. Objects with too few pixels to count as seen are void (255), which belongs to
nobody. Nameless things have masks and no category.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seektrack.world.captions import actor_caption
from seektrack.world.layouts.base import (
    LayoutSettings,
    labels_with_void,
    write_json,
    write_labels,
    write_lines,
    write_picture,
)
from seektrack.world.render import Clip
from seektrack.world.telling import named, seen


class Davis:
    """``JPEGImages/480p/``, ``Annotations/480p/``, ``ImageSets/2017/<split>.txt``, ``davis_semantics.json``.

    ``480p`` is the folder's name in DAVIS; the pictures have the size of the scenes.
    """

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        self.root, self.settings = root, settings
        self._names: dict[str, dict[str, str]] = {}

    def add(self, name: str, clip: Clip) -> None:
        """Write one scene."""
        _write_frames(self.root, "480p", name, clip, self.settings)
        self._names[name] = {str(a.obj_id): actor_caption(a) for a in named(clip)}

    def finish(self) -> None:
        """Write the list of the split, and what the objects are."""
        write_lines(self.root / "ImageSets" / "2017" / f"{self.settings.split}.txt", list(self._names))
        write_json(self.root / "davis_semantics.json", self._names)


class YoutubeVos:
    """``<split>/JPEGImages/``, ``<split>/Annotations/`` and ``<split>/meta.json``."""

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        self.root, self.settings = root / settings.split, settings
        self._videos: dict[str, Any] = {}

    def add(self, name: str, clip: Clip) -> None:
        """Write one scene."""
        _write_frames(self.root, "", name, clip, self.settings)
        shown, told = seen(clip), {a.obj_id: actor_caption(a) for a in named(clip)}
        objects: dict[str, Any] = {}
        for actor in clip.scene.actors:
            frames = [f"{t:05d}" for t in np.flatnonzero(shown[:, actor.obj_id - 1])]
            if frames:
                category = {"category": told[actor.obj_id]} if actor.obj_id in told else {}
                objects[str(actor.obj_id)] = {**category, "frames": frames}
        self._videos[name] = {"objects": objects}

    def finish(self) -> None:
        """Write the list of videos and their objects."""
        write_json(self.root / "meta.json", {"videos": self._videos})


def _write_frames(root: Path, resolution: str, name: str, clip: Clip, settings: LayoutSettings) -> None:
    for t, (picture, ids) in enumerate(zip(clip.frames, clip.ids, strict=True)):
        where = Path(resolution) / name
        write_picture(root / "JPEGImages" / where / f"{t:05d}.{settings.pictures}", picture)
        write_labels(root / "Annotations" / where / f"{t:05d}.png", labels_with_void(ids))

"""Boxes with identities: MOT Challenge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import mask_to_box
from seektrack.world.layouts.base import LayoutSettings, write_lines, write_picture
from seektrack.world.render import Clip
from seektrack.world.scene import Actor
from seektrack.world.shapes import ALL_CATEGORIES
from seektrack.world.telling import seen

MOT_CLASSES = (
    "pedestrian", "person on vehicle", "car", "bicycle", "motorbike", "non motorized vehicle",
    "static person", "distractor", "occluder", "occluder on the ground", "occluder full", "reflection",
)  # fmt: skip
"""Classes 1 to 12 of MOT16 and later."""

_SAME = {"person": "pedestrian"}
CLASSES = (*MOT_CLASSES, *(c for c in ALL_CATEGORIES if _SAME.get(c, c) not in MOT_CLASSES))
"""Categories that MOT lacks are numbered on from 13."""


class Mot:
    """``<split>/<scene>/{seqinfo.ini, img1/000001.jpg, gt/gt.txt, gt/gt.labels.txt}``.

    Rows are ``frame,id,left,top,width,height,consider,class,visibility``, frames and pixels from 1; boxes are
    tight around what is visible. Nameless things are distractors, not to be considered. ``gt.labels.txt``
    names the classes, one a line, from 1 (a ``labels.txt`` would be CVAT's, which counts pixels from 0).
    """

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        self.root, self.settings = root / settings.split, settings

    def add(self, name: str, clip: Clip) -> None:
        """Write one scene."""
        folder, s, pictures = self.root / name, clip.scene.settings, self.settings.pictures
        for t, picture in enumerate(clip.frames, start=1):
            write_picture(folder / "img1" / f"{t:06d}.{pictures}", picture)
        shown, visibility = seen(clip), np.minimum(clip.visibility, 1.0)
        rows = [
            _row(t, actor, ids, float(visibility[t, actor.obj_id - 1]))
            for t, ids in enumerate(clip.ids)
            for actor in clip.scene.actors
            if shown[t, actor.obj_id - 1]
        ]
        write_lines(folder / "gt" / "gt.txt", rows)
        write_lines(folder / "gt" / "gt.labels.txt", list(CLASSES))
        info = {
            "name": name,
            "imDir": "img1",
            "frameRate": self.settings.fps,
            "seqLength": len(clip.frames),
            "imWidth": s.width,
            "imHeight": s.height,
            "imExt": f".{pictures}",
        }
        write_lines(folder / "seqinfo.ini", ["[Sequence]", *(f"{k}={v}" for k, v in info.items())])

    def finish(self) -> None:
        """Write nothing: every sequence stands for itself."""


def _row(t: int, actor: Actor, ids: NDArray[np.uint8], visibility: float) -> str:
    x0, y0, x1, y1 = (int(v) for v in mask_to_box(ids == actor.obj_id) or (0, 0, 0, 0))
    label = "distractor" if actor.category is None else _SAME.get(actor.category, actor.category)
    numbers = (t + 1, actor.obj_id, x0 + 1, y0 + 1, x1 - x0, y1 - y0)
    consider, kind = int(actor.category is not None), CLASSES.index(label) + 1
    return f"{','.join(map(str, numbers))},{consider},{kind},{visibility:.6g}"

"""How near everything is that a scene shows: its own depth, as a depth sensor would give it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from seektrack.world.render import _Painter
from seektrack.world.scene import Actor, Scene


def depth_maps(scene: Scene) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Depth of every frame, and each actor's whole shape, also where something hides it.

    Args:
        scene: A plain scene.

    Yields:
        float32 (H, W), larger is nearer, the background 0; bool (N, H, W), by actor.
    """
    painter = _Painter(scene)
    h, w = scene.settings.height, scene.settings.width
    for t in range(scene.settings.n_frames):
        depth = np.zeros((h, w), np.float32)
        shapes = np.zeros((len(scene.actors), h, w), np.bool_)
        for layer in painter.layers:
            picture = np.zeros((h, w, 3), np.uint8)
            if isinstance(layer, Actor):
                ids = np.zeros((h, w), np.uint8)
                painter._act(picture, ids, layer, t)
                there = ids > 0
                shapes[layer.obj_id - 1] = there
            else:
                ids = np.ones((h, w), np.uint8)
                painter._occlude(picture, ids, layer, t)
                there = ids == 0
            depth[there] = 1 + layer.depth
        yield depth, shapes

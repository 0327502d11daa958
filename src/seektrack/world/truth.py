"""The truth about a scene in seektrack's own nouns, to be written, drawn and compared like a result."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import mask_to_box
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo
from seektrack.world.captions import noun
from seektrack.world.scene import Scene
from seektrack.world.setting import MIN_PIXELS


class TruthRecorder:
    """Collects a scene's ground truth while its frames are drawn.

    Args:
        scene: What is drawn.
        fps: Frames per second of the video.
        path: Where the video lies.
    """

    def __init__(self, scene: Scene, *, fps: Fraction, path: str) -> None:
        self.scene, self.fps = scene, fps
        s = scene.settings
        duration = float(s.n_frames / fps)
        self.info = VideoInfo(path, s.width, s.height, fps, duration_s=duration, n_frames=s.n_frames)
        self._seen: dict[int, list[Observation]] = {a.obj_id: [] for a in scene.actors}
        self._times: dict[int, float] = {}

    def add(self, frame_index: int, ids: NDArray[np.uint8], full_area: NDArray[np.int64]) -> None:
        """Record one frame: ids (H, W), and the uncovered area (N,) of each actor."""
        time_s = float(frame_index / self.fps)
        self._times[frame_index] = time_s
        counts = np.bincount(ids.ravel(), minlength=len(self.scene.actors) + 1)
        for actor in self.scene.actors:
            if counts[actor.obj_id] < MIN_PIXELS:
                continue
            mask = ids == actor.obj_id
            box = mask_to_box(mask)
            if box is not None:
                visibility = float(counts[actor.obj_id] / max(int(full_area[actor.obj_id - 1]), 1))
                seen = Observation(frame_index, time_s, box, Mask.from_array(mask), min(visibility, 1.0))
                self._seen[actor.obj_id].append(seen)

    def tracks(self) -> Tracks:
        """Every named actor that was ever seen; an observation's ``score`` is its visibility in [0, 1]."""
        tracks = tuple(
            Track(a.obj_id, noun(a.colour, a.category), 1.0, tuple(self._seen[a.obj_id]))
            for a in self.scene.actors
            if a.category is not None and self._seen[a.obj_id]
        )
        return Tracks(self.info, "", tracks, dict(self._times))


def truth(
    scene: Scene, ids: Iterable[NDArray[np.uint8]], full_area: NDArray[np.int64], *, fps: Fraction
) -> Tracks:
    """Ground truth of a rendered scene.

    Args:
        scene: What was drawn.
        ids: One (H, W) picture of ids a frame.
        full_area: int (T, N), as :class:`seektrack.world.Clip` has it.
        fps: Frames per second of the video.
    """
    recorder = TruthRecorder(scene, fps=fps, path=f"scene-{scene.seed}")
    for t, picture in enumerate(ids):
        recorder.add(t, picture, full_area[t])
    return recorder.tracks()

"""Trackers of the ``trackers`` package over our detections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.tracking.memory import Detection, FrameIdentities
from seektrack.types import Observation

if TYPE_CHECKING:
    from seektrack.tracking.tracker import TrackerContext

_NONE = -1


class Rival:
    """A tracker of the ``trackers`` package as a `seektrack.tracking.Tracker`.

    It gives an identity from the second sight of an object on, the soonest these trackers do; its time runs
    forwards in either direction of the video.

    Args:
        make: Makes the tracker.
        sees: Whether it looks at the picture, to take off the camera's motion.
    """

    def __init__(self, make: Callable[[], Any], *, sees: bool = False) -> None:
        self._make, self._sees = make, sees
        self.reset()

    def reset(self) -> None:
        """Forget everything, as for another video."""
        self._tracker = self._make()
        self._clock = 0.0
        self._before: float | None = None

    def update(
        self,
        frame_index: int,
        time_s: float,
        detections: Sequence[Detection],
        *,
        image: NDArray[np.uint8] | None = None,
    ) -> FrameIdentities:
        """See `seektrack.tracking.Tracker.update`."""
        import supervision as sv

        self._clock += 0.0 if self._before is None else abs(time_s - self._before)
        self._before = time_s
        given = sv.Detections(
            xyxy=np.array([d.box for d in detections], dtype=np.float32).reshape(-1, 4),
            confidence=np.array([_sure(d) for d in detections], dtype=np.float32),
            class_id=np.zeros(len(detections), dtype=int),
            data={"which": np.arange(len(detections))},
        )
        picture = None if image is None or not self._sees else np.ascontiguousarray(image[:, :, ::-1])
        named = self._tracker.update(given, frame=picture, timestamp=self._clock)
        ids = [_NONE] * len(detections)
        for which, number in zip(named.data.get("which", ()), named.tracker_id, strict=True):
            if number is not None and int(number) >= 0:
                ids[int(which)] = int(number) + 1
        seen = {
            obj_id: Observation(frame_index, time_s, d.box, d.mask, d.score)
            for obj_id, d in zip(ids, detections, strict=True)
            if obj_id != _NONE
        }
        return FrameIdentities(frame_index, time_s, dict(sorted(seen.items())), tuple(ids))


def _sure(detection: Detection) -> float:
    return detection.score if detection.confidence is None else detection.confidence


def rival(name: str, *, sees: bool = False) -> Callable[[TrackerContext], Rival]:
    """Makes the tracker of a class of the ``trackers`` package."""

    def make(context: TrackerContext) -> Rival:
        kind = _class(name)
        return Rival(lambda: kind(frame_rate=context.fps, minimum_consecutive_frames=1), sees=sees)

    return make


def _class(name: str) -> Any:
    try:
        import trackers

        return getattr(trackers, name)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"this tracker needs the package trackers, which is not here: {error}",
            hint="pip install 'seektrack[trackers]', pip install --no-deps trackers, or --tracker seektrack",
        ) from error

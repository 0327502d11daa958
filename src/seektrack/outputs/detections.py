"""To and from `supervision.Detections`, so that its annotators, zones and trackers take our results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seektrack.errors import InputError
from seektrack.outputs import reading
from seektrack.outputs.optional import needed
from seektrack.outputs.reading import Gathered
from seektrack.types import Mask, Tracks, VideoInfo


def to_detections(tracks: Tracks, frame_index: int, *, hidden: bool = False) -> Any:
    """What lies on a frame, as `supervision.Detections`.

    ``tracker_id`` is the ``obj_id``, ``class_id`` the place of the label in alphabetical order, from 0, and
    ``data["class_name"]`` the label. With any mask on the frame there are masks, empty for what has none.

    Args:
        tracks: The tracks.
        frame_index: The frame; one without anything gives empty detections.
        hidden: Also what is predicted, not seen.

    Raises:
        InputError: supervision is not installed.
    """
    sv = needed("supervision", "supervision")
    found = [(t, o) for t, o in tracks.at(frame_index) if o.visible or hidden]
    if not found:
        return sv.Detections.empty()
    names = sorted({t.label for t in tracks})
    masks = None
    if any(o.mask is not None for _, o in found):
        nothing = np.zeros(tracks.video.hw, dtype=bool)
        masks = np.stack([nothing if o.mask is None else o.mask.to_array() for _, o in found])
    return sv.Detections(
        xyxy=np.array([o.box for _, o in found], dtype=np.float64),
        mask=masks,
        confidence=np.array([o.score for _, o in found], dtype=np.float64),
        class_id=np.array([names.index(t.label) for t, _ in found], dtype=np.int64),
        tracker_id=np.array([t.obj_id for t, _ in found], dtype=np.int64),
        data={"class_name": np.array([t.label for t, _ in found])},
    )


def from_detections(
    frames: Iterable[Any] | Mapping[int, Any],
    video: VideoInfo | str | Path,
    *,
    names: Sequence[str] | Mapping[int, str] | None = None,
    query: str = "",
) -> Tracks:
    """Tracks of what a tracker of the ecosystem made of each frame.

    Args:
        frames: `supervision.Detections` of each frame from 0, or by frame index.
        video: The video they lie in.
        names: Of the classes, where ``data["class_name"]`` does not say.
        query: What was asked for.

    Raises:
        InputError: Detections have no ``tracker_id``, an id comes twice on a frame, or a value is no number.
    """
    info, times = _described(video)
    gathered = Gathered()
    indices = []
    for index, held in frames.items() if isinstance(frames, Mapping) else enumerate(frames):
        indices.append(reading.frame_number(int(index), "frames"))
        if len(held) and held.tracker_id is None:
            raise InputError(
                f"frame {index}: the detections have no tracker_id",
                hint="run a tracker first: detections = tracker.update_with_detections(detections)",
            )
        for n in range(len(held)):
            _add(gathered, held, n, int(index), names)
    known = {i: times[i] if i in times else float(i / info.fps) for i in indices}
    return gathered.tracks(info, query=query, times=known)


def _add(
    gathered: Gathered, held: Any, n: int, index: int, names: Sequence[str] | Mapping[int, str] | None
) -> None:
    where = f"frame {index}, detection {n}"
    mask = None
    if held.mask is not None:
        array = np.asarray(held.mask[n], dtype=bool)
        mask = Mask.from_array(array) if array.any() else None
    gathered.add(
        where,
        reading.integer(int(held.tracker_id[n]), f"{where}: tracker_id"),
        index,
        box=reading.xyxy([float(v) for v in held.xyxy[n]], where),
        mask=mask,
        score=1.0
        if held.confidence is None
        else reading.share(float(held.confidence[n]), f"{where}: confidence"),
        label=_label(held, n, names),
    )


def _label(held: Any, n: int, names: Sequence[str] | Mapping[int, str] | None) -> str:
    if "class_name" in held.data:
        return str(held.data["class_name"][n])
    if held.class_id is None or names is None:
        return ""
    number = int(held.class_id[n])
    known = names if isinstance(names, Mapping) else dict(enumerate(names))
    return known.get(number, f"class {number}")


def _described(video: VideoInfo | str | Path) -> tuple[VideoInfo, dict[int, float]]:
    if isinstance(video, VideoInfo):
        return video, {}
    from seektrack.video import open_video

    with open_video(video) as opened:
        return opened.info, dict(enumerate(map(float, opened.times()), start=opened.first_index))

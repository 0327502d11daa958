"""What the tracker is held against: the same weights without its identity logic.

Two rivals see the same pictures: transformers' own SAM 2 session from the same first masks, and objects
grounded by text on every frame, put together by ByteTrack.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.evaluation.pocket_parity import TransformersSam2
from seektrack.geometry import mask_to_box
from seektrack.grounding import GroundSettings, TextScorer, ground_proposals
from seektrack.pipeline.models import Models
from seektrack.tracking.engine import Sam2Engine
from seektrack.types import Frame, Mask, Observation, Prompt, Track, Tracks, VideoInfo

Image = NDArray[np.uint8]


class _Gathered:
    """Observations by id as they come."""

    def __init__(self, info: VideoInfo, query: str = "") -> None:
        self.info, self.query = info, query
        self.seen: dict[int, list[Observation]] = {}
        self.labels: dict[int, str] = {}
        self.times: dict[int, float] = {}

    def add(self, obj_id: int, frame: Frame, mask: Mask, score: float, label: str = "") -> None:
        if mask.box is not None:
            seen = Observation(frame.index, frame.time_s, mask.box, mask, score)
            self.seen.setdefault(obj_id, []).append(seen)
            self.labels.setdefault(obj_id, label)

    def tracks(self) -> Tracks:
        made = (
            Track(i, self.labels[i], float(np.mean([o.score for o in seen])), tuple(seen))
            for i, seen in sorted(self.seen.items())
        )
        return Tracks(self.info, self.query, tuple(made), self.times)


def reference_session(
    folder: str, info: VideoInfo, frames: Sequence[Frame], prompts: Sequence[Prompt]
) -> Tracks:
    """Follow prompts of the first frame by transformers' own session; an id means what its prompt meant."""
    out = _Gathered(info)
    answers = TransformersSam2(folder)([frame.image for frame in frames], prompts)
    for frame, answer in zip(frames, answers, strict=True):
        out.times[frame.index] = frame.time_s
        for obj_id, (mask, belief) in answer.items():
            if mask_to_box(mask) is not None:
                out.add(obj_id, frame, Mask.from_array(np.ascontiguousarray(mask)), belief)
    return out.tracks()


def grounded_frames(models: Models, info: VideoInfo, frames: Iterable[Frame], text: str) -> Tracks:
    """Ground a text on every frame, and let ByteTrack say who is who.

    Raises:
        InputError: The package ``trackers`` is missing.
    """
    sv, tracker = _byte_track(float(info.fps))
    settings = GroundSettings()
    engine, scorer = Sam2Engine(models.sam2), TextScorer(models.encoder, text)
    out = _Gathered(info, text)
    for frame in frames:
        out.times[frame.index] = frame.time_s
        features = engine.encode(frame.image)
        proposals = engine.propose(features, settings)
        found = ground_proposals(scorer, frame.image, proposals, settings=settings)
        boxes = np.array([g.box for g in found], dtype=np.float32).reshape(-1, 4)
        detections = sv.Detections(
            xyxy=boxes,
            confidence=np.array([g.confidence for g in found], dtype=np.float32),
            class_id=np.zeros(len(found), dtype=int),
            data={"which": np.arange(len(found))},
        )
        named = tracker.update(detections)
        for which, obj_id in zip(named.data.get("which", ()), named.tracker_id, strict=True):
            if obj_id is not None and int(obj_id) >= 0:
                grounding = found[int(which)]
                out.add(int(obj_id) + 1, frame, grounding.mask, grounding.confidence, text)
    return out.tracks()


def _byte_track(fps: float) -> tuple[Any, Any]:
    try:
        import supervision as sv
        from trackers import ByteTrackTracker
    except ImportError as error:
        raise InputError(
            f"ByteTrack needs the package trackers, which is not here: {error}",
            hint="pip install 'seektrack[trackers]', then pip install --no-deps trackers; or another --way",
        ) from error
    return sv, ByteTrackTracker(frame_rate=fps, minimum_consecutive_frames=1)

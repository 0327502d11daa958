"""The nouns of seektrack: what passes from one stage to the next.

All are frozen. Coordinates are pixels of the source video, boxes ``xyxy`` half-open, masks bool held as
run-length codes; times are seconds from the presentation timestamp, exact as ``Fraction`` where a frame
is named; ``frame_index`` counts decoded frames from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seektrack.anomaly import Anomaly
from seektrack.geometry import Box
from seektrack.known import Known
from seektrack.masks import Mask
from seektrack.missed import Missed, Stage
from seektrack.notebook import FrameInNotebook, MomentInNotebook, TrackInNotebook, TracksInNotebook

__all__ = [
    "Absence",
    "Anomaly",
    "Frame",
    "Hit",
    "Mask",
    "Missed",
    "Moment",
    "Observation",
    "Progress",
    "Prompt",
    "Stage",
    "Track",
    "Tracks",
    "VideoInfo",
]

Progress = Callable[[int, int, str], None]
"""Told how far something is: ``(done, total, stage)``; a total of 0 or less is unknown."""


_SHOWN = 5
"""Tracks that are printed one by one; of more, their number."""


def _short(text: str) -> str:
    """A text in quotes, cut where it is long."""
    return repr(text if len(text) <= 60 else text[:59] + "…")


@dataclass(frozen=True, eq=False)
class Frame(FrameInNotebook):
    """One decoded picture with its place in the video.

    Attributes:
        index: 0-based count of decoded frames in the source.
        timestamp: Presentation time in seconds, exact.
        image: uint8 (H, W, 3), RGB.
    """

    index: int
    timestamp: Fraction
    image: NDArray[np.uint8]

    @property
    def time_s(self) -> float:
        """Presentation time in seconds."""
        return float(self.timestamp)

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.image.shape[0]), int(self.image.shape[1])

    def __repr__(self) -> str:
        h, w = self.hw
        return f"Frame(index={self.index}, time_s={self.time_s:.3f}, image={h}x{w})"


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video without decoding all of it.

    Attributes:
        path: Where it came from; a file path, a folder or a URL.
        width, height: Of a decoded frame, after rotation, in pixels.
        fps: Average frames per second, exact; variable-rate video has no other.
        duration_s: Seconds, or None when the container does not say.
        n_frames: Frames in the container's index, or None when it does not say.
    """

    path: str
    width: int
    height: int
    fps: Fraction
    duration_s: float | None = None
    n_frames: int | None = None

    @property
    def name(self) -> str:
        """File name without its extension."""
        return Path(self.path).stem

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width


@dataclass(frozen=True)
class Hit:
    """One indexed picture, or a region of it, that a query found.

    Attributes:
        video: Path of the video as the library knows it.
        frame_index, time_s: Which frame.
        score: Cosine similarity of query and picture, in [-1, 1].
        confidence: Calibrated belief in [0, 1] that the picture shows what was asked.
        box: Region of the frame the score belongs to, or None for the whole frame.
        query: What it answers, as it was typed; empty for a picture.
        domain: Whether the encoder was shown frames like this; ``outside``, the confidence means nothing.
    """

    video: str
    frame_index: int
    time_s: float
    score: float
    confidence: float
    box: Box | None = None
    query: str = ""
    domain: Known = "unmeasured"


@dataclass(frozen=True)
class Moment(MomentInNotebook[Frame]):
    """A stretch of one video that answers a query.

    Attributes:
        video: Path of the video as the library knows it.
        start_s, end_s: Seconds.
        key: The best hit inside.
        confidence: Calibrated belief in [0, 1].
        query: What it answers, as it was typed.
        domain: Whether the encoder was shown frames like these; ``outside``, the confidence means nothing.
    """

    video: str
    start_s: float
    end_s: float
    key: Hit
    confidence: float
    query: str = ""
    domain: Known = "unmeasured"


@dataclass(frozen=True, eq=False)
class Prompt:
    """What tells the segmentation engine about one object on one frame.

    Attributes:
        obj_id: Stable identity, ≥ 0.
        frame_index: The frame the prompt lies on.
        points: float (P, 2) ``(x, y)`` pixels, or None.
        point_labels: int (P,), 1 inside, 0 outside; as long as ``points``.
        box: ``xyxy`` pixels, or None.
        mask: A mask of the frame's size, or None. A mask excludes points and box.
        score: Belief in [0, 1] that this is what was asked for.
        label: What the object is called.
    """

    obj_id: int
    frame_index: int
    points: NDArray[np.float64] | None = None
    point_labels: NDArray[np.int64] | None = None
    box: Box | None = None
    mask: Mask | None = None
    score: float = 1.0
    label: str = ""


@dataclass(frozen=True)
class Observation:
    """One object on one frame.

    Attributes:
        frame_index, time_s: Which frame.
        box: ``xyxy`` pixels.
        mask: Its pixels; None when only the position is known (predicted while hidden).
        score: Belief in [0, 1] that the object is there.
        visible: False when the position is predicted, not seen.
        amodal: Pixels of the whole object where part or all of it is hidden, the hidden part estimated
            (`seektrack.tracking.hidden_parts`); None where it shows in full or was not asked for.
    """

    frame_index: int
    time_s: float
    box: Box
    mask: Mask | None
    score: float
    visible: bool = True
    amodal: Mask | None = None

    @property
    def state(self) -> Literal["visible", "occluded"]:
        """Whether it is seen, or hidden inside the picture and predicted."""
        return "visible" if self.visible else "occluded"

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box in pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def point(self) -> tuple[float, float]:
        """Centroid of the mask's pixels, which a limb moves little; without a mask the centre of the box."""
        centroid = None if self.mask is None else self.mask.centroid
        return self.centre if centroid is None else centroid


Away = Literal["out of view", "lost"]
"""Where an object is that is neither seen nor predicted: it left over the border or a cut took it away, or it
was hidden for long or became unlike itself."""
AWAY: tuple[Away, ...] = get_args(Away)
State = Literal["visible", "occluded", "out of view", "lost"]


@dataclass(frozen=True)
class Absence:
    """A stretch of frames on which an object is neither seen nor predicted.

    Attributes:
        first_frame, last_frame: Both included.
        state: Why.
    """

    first_frame: int
    last_frame: int
    state: Away

    @classmethod
    def runs(cls, states: Iterable[tuple[int, Away | None]]) -> tuple[Absence, ...]:
        """The absences of frames in order, each told with why the object is away; None where it is not."""
        out = []
        for state, run in groupby(states, key=lambda one: one[1]):
            if state is not None:
                frames = [frame for frame, _ in run]
                out.append(cls(frames[0], frames[-1], state))
        return tuple(out)


@dataclass(frozen=True)
class Track(TrackInNotebook):
    """One object through time.

    Attributes:
        obj_id: Stable identity within the result.
        label: What it was asked for as.
        score: Belief in [0, 1] that it is what was asked for.
        observations: In order of frames, at most one a frame.
        domain: Whether the encoder was shown frames like those it was found on; ``outside``, the score means
            nothing.
        absences: Where the tracker said why there is no observation, in order; kept by JSON alone.
    """

    obj_id: int
    label: str
    score: float
    observations: tuple[Observation, ...]
    domain: Known = "unmeasured"
    absences: tuple[Absence, ...] = field(default=(), compare=False)

    def at(self, frame_index: int) -> Observation | None:
        """The observation on a frame, or None."""
        return self._by_frame.get(frame_index)

    def state(self, frame_index: int) -> State | None:
        """Where the object is in its life on a frame; None where nothing was said of it."""
        seen = self.at(frame_index)
        if seen is not None:
            return seen.state
        spans = (a.state for a in self.absences if a.first_frame <= frame_index <= a.last_frame)
        return next(spans, None)

    @cached_property
    def _by_frame(self) -> dict[int, Observation]:
        return {o.frame_index: o for o in self.observations}

    def __len__(self) -> int:
        return len(self.observations)

    def __repr__(self) -> str:
        seen = sum(o.visible for o in self.observations)
        when = ""
        if self.observations:
            when = f", {self.observations[0].time_s:.2f}–{self.observations[-1].time_s:.2f} s"
        return (
            f"Track(obj_id={self.obj_id}, label={_short(self.label)}, score={self.score:.2f}, "
            f"observations={len(self)}, visible={seen}{when})"
        )


@dataclass(frozen=True)
class Tracks(TracksInNotebook[Track, VideoInfo]):
    """All objects followed through one video.

    Attributes:
        video: The video they lie in.
        query: The text they were asked for by; empty when prompted by hand.
        tracks: One per object, ids unique.
        frame_times: Seconds of each processed frame, by frame index.
        notices: What of the query could not be answered, one line each.
        missed: Why nothing was found, one for each thing asked for, where nothing was.
        damage: What was wrong with the video as far as it was read; empty where nothing was.
        min_confidence: Least score of a track that was kept; None where no text was asked.
        retrieval_score: Confidence of the best moment of the search that led to this video; None without one.
        anomalies: Where tracks are likely wrong, in order of time.
    """

    video: VideoInfo
    query: str
    tracks: tuple[Track, ...]
    frame_times: dict[int, float] = field(default_factory=dict)
    notices: tuple[str, ...] = field(default=(), compare=False)
    missed: tuple[Missed, ...] = field(default=(), compare=False)
    damage: str = field(default="", compare=False)
    min_confidence: float | None = field(default=None, compare=False)
    retrieval_score: float | None = field(default=None, compare=False)
    anomalies: tuple[Anomaly, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[Track]:
        return iter(self.tracks)

    def __repr__(self) -> str:
        head = (
            f"Tracks(video={_short(self.video.name)}, query={_short(self.query)}, "
            f"frames={len(self.frame_times)}, tracks={len(self)})"
        )
        shown = [f"  {track!r}" for track in self.tracks[:_SHOWN]]
        rest = [f"  … and {len(self) - _SHOWN} more"] if len(self) > _SHOWN else []
        return "\n".join([head, *shown, *rest])

    def at(self, frame_index: int) -> list[tuple[Track, Observation]]:
        """Every track seen or predicted on a frame, with its observation."""
        found = ((t, t.at(frame_index)) for t in self.tracks)
        return [(t, o) for t, o in found if o is not None]

    @property
    def domain(self) -> Known:
        """Whether the encoder was shown frames like these: outside where it is of anything asked for."""
        said = {track.domain for track in self.tracks} | {missed.domain for missed in self.missed}
        order: tuple[Known, ...] = ("outside", "inside")
        return next((known for known in order if known in said), "unmeasured")

    @property
    def frame_indices(self) -> list[int]:
        """Processed frames in order."""
        return sorted(self.frame_times)

    def filter(self, *, min_length: int = 1, min_score: float = 0.0) -> Tracks:
        """Keep tracks of at least ``min_length`` observations and ``min_score``."""
        kept = tuple(t for t in self.tracks if len(t) >= min_length and t.score >= min_score)
        ids = {t.obj_id for t in kept}
        return replace(self, tracks=kept, anomalies=tuple(a for a in self.anomalies if a.obj_id in ids))

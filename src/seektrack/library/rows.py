"""What goes into a library and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box
from seektrack.library.index_settings import IndexManifest, IndexSettings

Kind = Literal["frame", "tile", "object"]
KINDS: tuple[Kind, ...] = ("frame", "tile", "object")


@dataclass(frozen=True, eq=False)
class FrameRow:
    """One embedded picture: a whole frame, a tile of it, or a proposed object.

    Attributes:
        frame_index: 0-based count of decoded frames.
        timestamp: Presentation time in seconds, exact.
        vector: float (D,), of unit length; stored as float16.
        box: ``xyxy`` pixels of the source frame, or None for the whole frame.
        kind: What the picture is.
    """

    frame_index: int
    timestamp: Fraction
    vector: NDArray[np.floating]
    box: Box | None = None
    kind: Kind = "frame"


@dataclass(frozen=True)
class Where:
    """Which rows of a library to look at; what is None or empty does not restrict.

    Attributes:
        video: Path of one video, as given or as the library knows it.
        start_s, end_s: Half-open window of seconds.
        kinds: Kinds of pictures.
    """

    video: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    kinds: tuple[Kind, ...] = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """Metadata of N rows, one array per column, in order of video, frame and row.

    Attributes:
        ids: int64 (N,), unique within the library.
        video_ids: int64 (N,); ``paths`` names them.
        frame_indices: int64 (N,).
        times: float64 (N,), seconds.
        boxes: float64 (N, 4) ``xyxy``; NaN for a whole frame.
        kinds: int8 (N,), indices into `KINDS`.
        paths: Path of each video by id.
    """

    ids: NDArray[np.int64]
    video_ids: NDArray[np.int64]
    frame_indices: NDArray[np.int64]
    times: NDArray[np.float64]
    boxes: NDArray[np.float64]
    kinds: NDArray[np.int8]
    paths: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.ids)

    def box(self, i: int) -> Box | None:
        """Box of row ``i``, or None for a whole frame."""
        if np.isnan(self.boxes[i, 0]):
            return None
        x0, y0, x1, y1 = (float(v) for v in self.boxes[i])
        return x0, y0, x1, y1

    def path(self, i: int) -> str:
        """Video of row ``i``."""
        return self.paths[int(self.video_ids[i])]

    def take(self, which: NDArray[np.integer] | NDArray[np.bool_]) -> Rows:
        """The rows at some positions or under a bool mask, in that order."""
        return Rows(
            ids=self.ids[which],
            video_ids=self.video_ids[which],
            frame_indices=self.frame_indices[which],
            times=self.times[which],
            boxes=self.boxes[which],
            kinds=self.kinds[which],
            paths=self.paths,
        )


@dataclass(frozen=True)
class VideoRecord:
    """One video of a library.

    Attributes:
        path: As the library knows it.
        done: False while it is being indexed, or after that was interrupted.
        frames: Frames looked at.
        vectors: Pictures embedded, frames and regions.
        duration_s, width, height, fps: As far as known.
        settings: What it was sampled and cut with.
        available: Whether the file is still there.
    """

    path: str
    done: bool
    frames: int
    vectors: int
    duration_s: float | None
    width: int
    height: int
    fps: Fraction
    settings: str
    available: bool


@dataclass(frozen=True)
class LibraryStats:
    """A library in numbers; only finished videos count towards frames and vectors.

    Attributes:
        videos, unfinished: Videos that are served, and that are not.
        frames: Frames looked at.
        vectors: Pictures embedded.
        bytes: Size of the folder.
        model, fingerprint, dim: What the vectors were made with.
        chosen: The search index the library keeps to.
        index: The search index it has now; None while it is small and simply scanned, or has to be built.
    """

    videos: int
    unfinished: int
    frames: int
    vectors: int
    bytes: int
    model: str
    fingerprint: str
    dim: int
    chosen: IndexSettings = field(default_factory=IndexSettings)
    index: IndexManifest | None = None

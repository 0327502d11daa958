"""What goes into a library and what comes out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.library.frame_table import FrameTable
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
        distance: From what the encoder was shown, 1 being the edge of it; None where not measured.
    """

    frame_index: int
    timestamp: Fraction
    vector: NDArray[np.floating]
    box: Box | None = None
    kind: Kind = "frame"
    distance: float | None = None


_ONLY: dict[str, tuple[Kind, ...]] = {"objects": ("object", "tile"), "frames": ("frame",)}


@dataclass(frozen=True)
class Maker:
    """The encoder that makes the vectors of a library.

    Attributes:
        model: Its name, for people.
        fingerprint: For the machine.
        dim: Length of an embedding.
    """

    model: str
    fingerprint: str
    dim: int


@dataclass(frozen=True)
class Where:
    """Where to look and what to leave out; what is None or empty does not restrict.

    Attributes:
        video: Path of one video, as given or as the library knows it.
        start_s, end_s: Half-open window of seconds.
        kinds: Kinds of pictures: ``"frame"``, ``"tile"``, ``"object"``.
        missing: Also videos whose file is gone.
        label: Only pictures that also show this.
        min_confidence: Leave out what is less believed.
        min_score: Leave out what has a lower cosine.
        per_video: At most so many results of one video.

    Raises:
        InputError: A window that ends before it begins, an unknown kind, or a number out of its range.
    """

    video: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    kinds: tuple[Kind, ...] = ()
    missing: bool = False
    label: str | None = None
    min_confidence: float | None = None
    min_score: float | None = None
    per_video: int | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("start_s", 0.0, math.inf),
            ("end_s", 0.0, math.inf),
            ("min_confidence", 0.0, 1.0),
            ("min_score", -1.0, 1.0),
        ):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and least <= value <= most):
                allowed = (
                    "be a number of seconds, 0 or more"
                    if most == math.inf
                    else f"lie in [{least:g}, {most:g}]"
                )
                raise InputError(f"{name} must {allowed}, got {value}")
        if self.per_video is not None and self.per_video < 1:
            raise InputError(f"per_video must be at least 1, got {self.per_video}")
        if self.start_s is not None and self.end_s is not None and self.end_s <= self.start_s:
            raise InputError(
                f"the window from {self.start_s:g} s to {self.end_s:g} s ends before it begins",
                hint="give a start that is smaller than the end",
            )
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            raise InputError(f"unknown kind of picture {unknown[0]!r}", hint=f"use {', '.join(KINDS)}")

    @classmethod
    def of(cls, *, video: str | Path | None = None, only: str | None = None, **others: Any) -> Where:
        """A filter in the words of the command line.

        Args:
            video: Path of one video.
            only: ``"objects"`` looks at proposed regions only, ``"frames"`` at whole frames only.
            others: As the attributes.

        Raises:
            InputError: As for the attributes, or an unknown ``only``.
        """
        if only is not None and only not in _ONLY:
            raise InputError(f"cannot look only at {only!r}", hint=f"use {' or '.join(_ONLY)}")
        named = None if video is None else str(video)
        return cls(video=named, kinds=() if only is None else _ONLY[only], **others)


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

    @cached_property
    def frames(self) -> FrameTable:
        """The frames the rows lie on."""
        return FrameTable.of(self.video_ids, self.frame_indices, self.times)

    def positions(self, where: Where, video_ids: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Positions of the rows a filter leaves, ascending.

        Args:
            where: Window of seconds and kinds of pictures.
            video_ids: Of the videos to look at; None for all.
        """
        positions = self._in_window(where.start_s, where.end_s, video_ids)
        if not where.kinds:
            return positions
        # Indexing a table of booleans is quicker than comparing with each kind.
        wanted = np.array([kind in where.kinds for kind in KINDS])
        if len(positions) == len(self):
            return np.flatnonzero(wanted[self.kinds])
        return np.asarray(positions[wanted[self.kinds[positions]]], dtype=np.int64)

    def _in_window(
        self, start_s: float | None, end_s: float | None, video_ids: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        if video_ids is not None:
            if len(video_ids) == 1:
                first, last = np.searchsorted(self.video_ids, [video_ids[0], video_ids[0] + 1])
                chosen = np.arange(first, last)
            else:
                chosen = np.flatnonzero(np.isin(self.video_ids, video_ids))
            times = self.times[chosen]
            keep = np.ones(len(chosen), dtype=bool)
            keep &= times >= start_s if start_s is not None else True
            keep &= times < end_s if end_s is not None else True
            return chosen[keep]
        if start_s is None and end_s is None:
            return np.arange(len(self))
        order, ordered = self._by_time
        low = 0 if start_s is None else int(np.searchsorted(ordered, start_s, side="left"))
        high = len(order) if end_s is None else int(np.searchsorted(ordered, end_s, side="left"))
        return np.sort(order[low:high])

    @cached_property
    def _by_time(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        order = np.argsort(self.times, kind="stable")
        return order, self.times[order]

    def positions_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of some row ids, ascending; unknown ids are left out."""
        order, ordered = self._by_id
        wanted = ascending(np.asarray(ids, dtype=np.int64))
        at = np.searchsorted(ordered, wanted)
        at = at[np.append(ordered, -1)[at] == wanted]
        return at if order is None else np.sort(order[at])

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
        ids = self.ids
        if bool((ids[1:] > ids[:-1]).all()):
            return None, ids
        order = np.argsort(ids)
        return order, ids[order]

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


def ascending(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers once each, ascending; many times as fast as `numpy.unique`."""
    ordered = np.sort(numbers)
    keep = np.ones(len(ordered), dtype=bool)
    keep[1:] = ordered[1:] != ordered[:-1]
    return ordered[keep]


def joined(parts: list[Rows]) -> Rows:
    """Chunks of rows as one; at least one chunk."""
    paths = {i: path for part in parts for i, path in part.paths.items()}
    return Rows(
        ids=np.concatenate([p.ids for p in parts]),
        video_ids=np.concatenate([p.video_ids for p in parts]),
        frame_indices=np.concatenate([p.frame_indices for p in parts]),
        times=np.concatenate([p.times for p in parts]),
        boxes=np.concatenate([p.boxes for p in parts]),
        kinds=np.concatenate([p.kinds for p in parts]),
        paths=paths,
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
        damage: What was wrong with the file as it was read; empty when it was whole.
        renewing: It is served, and a newer state of it is being indexed or waits for the rest of the library.
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
    damage: str = ""
    renewing: bool = False


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

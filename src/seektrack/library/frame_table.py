"""The frames that rows lie on, as columns: what is asked of each video is asked of all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FrameTable:
    """T frames of V videos, in order of video and frame.

    Attributes:
        video_ids: int64 (V,), ascending.
        bounds: int64 (V + 1,), where the frames of each video begin, and T.
        indices: int64 (T,), frame numbers within their video.
        times: float64 (T,), seconds.
        of_row: int64 (N,), the frame each row lies on; empty where rows were left aside.
        firsts: int64 (T,), the first row of each frame; empty where rows were left aside.
    """

    video_ids: NDArray[np.int64]
    bounds: NDArray[np.int64]
    indices: NDArray[np.int64]
    times: NDArray[np.float64]
    of_row: NDArray[np.int64]
    firsts: NDArray[np.int64]

    @classmethod
    def of(
        cls, video_ids: NDArray[np.int64], frame_indices: NDArray[np.int64], times: NDArray[np.float64]
    ) -> FrameTable:
        """From columns of N rows, in order of video and frame."""
        begins = np.ones(len(video_ids), dtype=bool)
        begins[1:] = (video_ids[1:] != video_ids[:-1]) | (frame_indices[1:] != frame_indices[:-1])
        firsts = np.flatnonzero(begins)
        of_row = np.cumsum(begins) - 1
        ids, bounds = _bounds(video_ids[firsts])
        return cls(ids, bounds, frame_indices[firsts], times[firsts], of_row, firsts)

    def __len__(self) -> int:
        return len(self.indices)

    def chosen(
        self, videos: NDArray[np.int64], start_s: float | None = None, end_s: float | None = None
    ) -> FrameTable:
        """Frames of some videos within a window of seconds, rows left aside."""
        of = np.repeat(self.video_ids, np.diff(self.bounds))
        keep = np.isin(self.video_ids, videos, kind="sort").repeat(np.diff(self.bounds))
        keep &= self.times >= (-np.inf if start_s is None else start_s)
        keep &= self.times < (np.inf if end_s is None else end_s)
        none = np.zeros(0, dtype=np.int64)
        ids, bounds = _bounds(of[keep])
        return FrameTable(ids, bounds, self.indices[keep], self.times[keep], none, none)

    def places_of(self, other: FrameTable) -> NDArray[np.int64]:
        """Position here of each frame of another table, all of whose frames are here too; (T of it,)."""
        most = int(max(self.indices.max(initial=0), other.indices.max(initial=0))) + 1
        return np.searchsorted(self._keys(most), other._keys(most))

    def _keys(self, most: int) -> NDArray[np.int64]:
        return np.repeat(self.video_ids, np.diff(self.bounds)) * most + self.indices


def _bounds(video_of_frame: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids of the videos and where each begins, and the end."""
    n = len(video_of_frame)
    begins = np.ones(n, dtype=bool)
    begins[1:] = video_of_frame[1:] != video_of_frame[:-1]
    starts = np.flatnonzero(begins)
    return video_of_frame[starts], np.append(starts, n)

"""How far each frame lies from what its encoder was shown, kept beside the vectors.

Videos of a library made before that are measured when they are indexed next, without being indexed anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import settled
from seektrack.errors import InputError
from seektrack.known import Known
from seektrack.library.backend import LibraryStore

KIND = "distance"


class KnownFrames(dict[str, dict[int, Known]]):
    """Where the frames of measured videos lie, by path and frame.

    Args:
        frames: By path and frame.
        ids: Of the videos, by path.
    """

    def __init__(
        self, frames: Mapping[str, dict[int, Known]] | None = None, ids: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(frames or {})
        outside = [
            (ids[path], i)
            for path, known in self.items()
            if ids is not None
            for i, where in known.items()
            if where == "outside"
        ]
        self._outside = np.array(sorted(outside), dtype=np.int64).reshape(-1, 2)

    def outside_among(
        self, video_ids: NDArray[np.int64], frame_indices: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Of (N,) frames, which the encoder was shown nothing like."""
        if not len(self._outside):
            return np.zeros(len(video_ids), dtype=bool)
        most = 1 + int(max(frame_indices.max(initial=0), self._outside[:, 1].max()))
        outside = self._outside[:, 0] * most + self._outside[:, 1]
        asked = video_ids * most + frame_indices
        at = np.minimum(np.searchsorted(outside, asked), len(outside) - 1)
        return np.asarray(outside[at] == asked)


_KEPT: WeakKeyDictionary[LibraryStore, tuple[object, KnownFrames]] = WeakKeyDictionary()


class DistanceShelf:
    """The distances of a library's frames from the domain of its encoder; 1 is the edge of the domain.

    Args:
        store: The library, open.
    """

    def __init__(self, store: LibraryStore) -> None:
        self._store = store

    def domain_of(self, path: str | Path) -> str | None:
        """Digest of the domain a video was measured against; None when it was not."""
        found = self._store.extra(path, KIND)
        return None if found is None else found.note

    def put(self, path: str | Path, distances: Mapping[int, float], domain: str) -> None:
        """Store the distances of a video's frames, in place of older ones.

        Args:
            path: A video of the library.
            distances: By frame index.
            domain: Digest of what they were measured against.

        Raises:
            InputError: The video is not in the library, or a distance is no number.
            LibraryError: The library cannot be written.
        """
        if not np.isfinite(list(distances.values())).all():
            raise InputError(f"a distance of {str(path)!r} is not a number")
        if not self._store.put_extra(path, KIND, distances, note=domain):
            raise InputError(f"the library has no video {str(path)!r}", hint="index it first")

    def known(self) -> KnownFrames:
        """Of every measured video, by path, where its frames lie; kept until the distances change."""
        state = self._store.extras_state(KIND)
        kept = _KEPT.get(self._store)
        if kept is not None and kept[0] == state:
            return kept[1]
        found: dict[str, dict[int, Known]] = {}
        for path, extra in self._store.extras(KIND):
            frames = sorted(extra.numbers.items())
            outside = settled([distance for _, distance in frames])
            found[path] = {
                i: "outside" if out else "inside" for (i, _), out in zip(frames, outside, strict=True)
            }
        known = KnownFrames(found, {path: i for i, path in self._store.served().items()})
        _KEPT[self._store] = (state, known)
        return known

    def unmeasured(self, domain: str) -> list[str]:
        """Finished videos that were not measured against this domain, by path."""
        measured = {path for path, extra in self._store.extras(KIND) if extra.note == domain}
        return sorted(path for path in self._store.served().values() if path not in measured)

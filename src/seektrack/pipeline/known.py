"""Which videos of a library show what its encoder knows: measured at indexing, older ones afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from seektrack.encoders import embed_and_measure
from seektrack.errors import LibraryError, SeekTrackError, VideoError
from seektrack.known import Known
from seektrack.library import DistanceShelf, LibraryStore
from seektrack.pipeline.models import Models
from seektrack.types import Progress
from seektrack.video import open_video
from seektrack.video.filtered import FilteredSource
from seektrack.video.filters import parse_filter

_AT_ONCE = 8


def measure_missing(
    models: Models,
    store: LibraryStore,
    failed: list[tuple[str, SeekTrackError]],
    progress: Progress | None = None,
) -> int:
    """Measure every video that is still there and was not measured against the encoder's domain of today.

    Its frames are decoded once more and looked at whole; nothing of it is indexed anew.

    Args:
        models: Holds the encoder.
        store: The library, open for writing.
        failed: Videos that could not be read, which are not tried again; new ones are added.
        progress: Called with ``(done, total, stage)``.

    Returns:
        How many were measured.
    """
    domain = getattr(models.encoder, "domain", None)
    if domain is None or store.fingerprint != models.encoder.fingerprint:
        return 0
    shelf, told = DistanceShelf(store), {path for path, _ in failed}
    there = {video.path: video.settings for video in store.videos() if video.done and video.available}
    done = 0
    for path in shelf.unmeasured(domain.digest):
        if path in told or path not in there or not _opens_as_it_is(there[path]):
            continue
        try:
            frames = {int(i) for i in store.timeline(path)[0]}
            shelf.put(path, _measure(models, Path(path), frames, there[path], progress), domain.digest)
        except (VideoError, LibraryError) as error:
            failed.append((path, error))
            continue
        done += 1
    return done


def outside_videos(store: LibraryStore) -> list[str]:
    """Finished videos of which most frames lie outside what the encoder was shown, by path."""
    known = DistanceShelf(store).known()
    return sorted(p for p, frames in known.items() if mostly_outside(frames.values()))


def mostly_outside(frames: Iterable[Known]) -> bool:
    """Whether more frames lie outside than inside."""
    counts = Counter(frames)
    return counts["outside"] > counts["inside"]


def _measure(
    models: Models, file: Path, frames: set[int], settings: str, progress: Progress | None
) -> dict[int, float]:
    _, filtered, filters = settings.partition(" filter=")
    distances: dict[int, float] = {}
    with open_video(file) as source:
        shown = FilteredSource(source, parse_filter(filters)) if filtered else source
        waiting = []
        for frame in shown:
            if frame.index in frames:
                waiting.append(frame)
            if len(waiting) == _AT_ONCE or (waiting and len(distances) + len(waiting) == len(frames)):
                _, measured = embed_and_measure(models.encoder, [one.image for one in waiting])
                found = np.zeros(len(waiting)) if measured is None else measured
                distances |= {one.index: float(d) for one, d in zip(waiting, found, strict=True)}
                waiting = []
                if progress:
                    progress(len(distances), len(frames), f"measuring {file.name}")
            if len(distances) == len(frames):
                break
    return distances


def _opens_as_it_is(settings: str) -> bool:
    """Whether a video was indexed as it opens by itself: not its sound, nor a scan under a window."""
    return settings.rpartition(" ")[2].startswith(("regions=", "by=", "filter="))

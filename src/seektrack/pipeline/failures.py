"""What an indexing run says of the videos it could not index."""

from __future__ import annotations

from typing import Any

from seektrack.errors import LibraryError, SeekTrackError, VideoError, foreseen
from seektrack.library import LibraryStore
from seektrack.pipeline.sources import NamedVideo


def nothing_named(given: Any, failed: list[tuple[str, SeekTrackError]]) -> SeekTrackError:
    """What to say when there is nothing to index: what is wrong with the first of what was named."""
    if failed:
        return failed[0][1]
    listed = ", ".join(map(str, given)) if isinstance(given, (list, tuple)) else str(given)
    return VideoError(f"no videos under {listed}", hint="name video files, addresses or folders")


def failure(video: NamedVideo, error: Exception) -> SeekTrackError:
    """What a video's line says."""
    if isinstance(error, MemoryError):
        return VideoError(f"{video.key} does not fit into memory", hint="make its pictures smaller")
    if isinstance(error, OSError) and not isinstance(error, SeekTrackError):
        return VideoError(f"cannot read {video.key}: {error.strerror or error}")
    return foreseen(error, what=video.key)


def done_by_others(
    store: LibraryStore, named: list[NamedVideo], failed: list[tuple[str, SeekTrackError]]
) -> int:
    """Videos that another process was indexing and has finished by now: not failed at all."""
    done = {record.path for record in store.videos() if record.done}
    asked = {video.key for video in named}
    over = [one for one in failed if isinstance(one[1], LibraryError) and one[0] in done and one[0] in asked]
    for one in over:
        failed.remove(one)
    return len(over)

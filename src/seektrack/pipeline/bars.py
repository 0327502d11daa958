"""How far a run over several videos is: a bar for each, or one for all that are gone through at once."""

from __future__ import annotations

from seektrack.types import Progress


class Each:
    """A bar a video, and one over the videos.

    Args:
        progress: Called with ``(done, total, stage)``; may be None.
        videos: How many there are.
    """

    def __init__(self, progress: Progress | None, videos: int) -> None:
        self._progress, self._videos = progress, videos
        self._totals: dict[str, int] = {}

    def _tell(self, done: int, total: int, stage: str) -> None:
        if self._progress:
            self._progress(done, total, stage)

    def next(self, done: int) -> None:
        """So many videos were handed out."""
        self._tell(done, self._videos, "videos")

    def begin(self, name: str, total: int) -> None:
        """A video is begun; it has ``total`` frames, 0 where that is not known."""
        self._totals[name] = total
        self._tell(0, total, f"indexing {name}")

    def seen(self, name: str, frames: int) -> None:
        """So many frames of a video were decoded; its last ones may be looked at by nobody."""
        total = self._totals.get(name, 0)
        self._tell(min(frames, total - 1) if total else frames, total, f"indexing {name}")

    def done(self, name: str) -> None:
        """A video is in the library."""
        total = max(self._totals.pop(name, 0), 1)
        self._tell(total, total, f"indexing {name}")

    def end(self) -> None:
        """All videos were gone through."""
        self._tell(self._videos, self._videos, "videos")


class AllInOne(Each):
    """One bar, of frames: those of videos not opened yet are taken to be as many as of those that were."""

    def __init__(self, progress: Progress | None, videos: int) -> None:
        super().__init__(progress, videos)
        self._seen: dict[str, int] = {}
        self._begun = self._known = self._finished = 0
        self._stage = f"indexing {videos} video" + ("" if videos == 1 else "s")

    def _bar(self) -> None:
        each = self._known / max(self._begun, 1)
        total = round(self._known + each * max(self._videos - self._handed, 0))
        self._tell(min(self._finished + sum(self._seen.values()), total - 1), total, self._stage)

    _handed = 0

    def next(self, done: int) -> None:
        """So many videos were handed out."""
        self._handed = done + 1

    def begin(self, name: str, total: int) -> None:
        """A video is begun."""
        self._totals[name] = total
        self._begun, self._known = self._begun + 1, self._known + total
        self._bar()

    def seen(self, name: str, frames: int) -> None:
        """So many frames of a video were decoded."""
        self._seen[name] = min(frames, self._totals.get(name, frames))
        self._bar()

    def done(self, name: str) -> None:
        """A video is in the library."""
        self._seen.pop(name, None)
        self._finished += self._totals.pop(name, 0)
        self._bar()

    def end(self) -> None:
        """All videos were gone through."""
        total = max(self._known, 1)
        self._tell(total, total, self._stage)

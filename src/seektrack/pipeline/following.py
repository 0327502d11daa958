"""Following what is asked for through one video, as a task that any process can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack.errors import ClusterError
from seektrack.pipeline.sources import NamedVideo
from seektrack.pipeline.track import track_objects
from seektrack.types import Tracks

if TYPE_CHECKING:
    from seektrack.pipeline.models import Models
    from seektrack.types import Progress


@dataclass
class FollowTask:
    """One video to be followed; its one piece are the tracks, and its files are written where it is done.

    Attributes:
        video: The video.
        asked: What `seektrack.pipeline.track_objects` is told beside the video and the models.
        progress: Told while it is done in this process.
        dropped: Whether it is no more wanted.
    """

    video: NamedVideo
    asked: Mapping[str, Any]
    progress: Progress | None = None
    dropped: bool = False

    @property
    def name(self) -> str:
        """The video, as results name it."""
        return self.video.key

    @property
    def ships(self) -> bool:
        """Whether another process can open the video."""
        return self.video.ships

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: not whom to tell."""
        return {**self.__dict__, "progress": None}

    def run(self, models: Models) -> Iterator[Tracks]:
        """Follow it; raises as `track_objects`."""
        try:
            yield track_objects(self.video.source, model=models, progress=self.progress, **self.asked)
        finally:
            self.video.close()


def check_written(folder: Path, name: str) -> None:
    """See that what another process wrote is there for this one.

    Raises:
        ClusterError: It is not: they see different disks.
    """
    if not folder.is_dir():
        raise ClusterError(
            f"a worker wrote the results of {name} to {folder}, which is not there for this machine",
            hint="give --out a folder that all machines of the cluster share",
        )

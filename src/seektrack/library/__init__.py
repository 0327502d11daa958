"""The library on disk: what was indexed, its vectors, and how they are found again."""

from typing import TYPE_CHECKING

from seektrack.lazy import lazily

if TYPE_CHECKING:
    from seektrack.library.backend import LibraryStore, VideoStatus
    from seektrack.library.distances import DistanceShelf, KnownFrames
    from seektrack.library.frame_table import FrameTable
    from seektrack.library.identity import FileIdentity, identify, library_key
    from seektrack.library.index_settings import INDEX_KINDS, IndexKind, IndexManifest, IndexSettings
    from seektrack.library.rows import KINDS, FrameRow, Kind, LibraryStats, Maker, Rows, VideoRecord, Where
    from seektrack.library.turns import TurnTimes
    from seektrack.library.writer import VideoWriterHandle

__all__ = [
    "INDEX_KINDS",
    "KINDS",
    "DistanceShelf",
    "FileIdentity",
    "FrameRow",
    "FrameTable",
    "IndexKind",
    "IndexManifest",
    "IndexSettings",
    "Kind",
    "KnownFrames",
    "LibraryStats",
    "LibraryStore",
    "Maker",
    "Rows",
    "TurnTimes",
    "VideoRecord",
    "VideoStatus",
    "VideoWriterHandle",
    "Where",
    "identify",
    "library_key",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "backend": "LibraryStore VideoStatus",
        "distances": "DistanceShelf KnownFrames",
        "frame_table": "FrameTable",
        "identity": "FileIdentity identify library_key",
        "index_settings": "INDEX_KINDS IndexKind IndexManifest IndexSettings",
        "rows": "KINDS FrameRow Kind LibraryStats Maker Rows VideoRecord Where",
        "turns": "TurnTimes",
        "writer": "VideoWriterHandle",
    },
)

"""From folders to the videos in them, and what was passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from seektrack.errors import InputError, VideoError
from seektrack.video.dicom import dicom_files
from seektrack.video.images import image_files
from seektrack.video.nifti import is_nifti
from seektrack.video.stills import IMAGE_SUFFIXES, is_animated, is_picture

VIDEO_SUFFIXES = frozenset(
    {
        ".264", ".265", ".3g2", ".3gp", ".3gp2", ".3gpp", ".3gpp2", ".amv", ".asf", ".avc", ".avi", ".bik",
        ".dif", ".divx", ".dv", ".f4v", ".flc", ".fli", ".flv", ".gif", ".gxf", ".h261", ".h263", ".h264",
        ".h265", ".hevc", ".insv", ".ismv", ".ivf", ".k3g", ".lrv", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v",
        ".m4v", ".mj2", ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp4", ".mp4v", ".mpe", ".mpeg", ".mpg",
        ".mpv", ".mts", ".mxf", ".nsv", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".roq", ".tod",
        ".trp", ".ts", ".vc1", ".vob", ".vro", ".webm", ".wmv", ".wtv", ".y4m",
    }
)  # fmt: skip
"""Suffixes by which videos are found in folders: those of the formats PyAV opens that hold pictures."""

OnError = Callable[[Path, VideoError], None]
_SYNC, _SYNC_AT = 0x47, (0, 4)


@dataclass(frozen=True)
class Found:
    """What a look into folders found.

    Attributes:
        videos: Sorted, each once.
        passed_over: Files and folders that were not taken, with the reason.
    """

    videos: list[Path]
    passed_over: list[tuple[Path, str]] = field(default_factory=list)

    def summary(self) -> str:
        """What was passed over, see `count_reasons`; empty where nothing was."""
        return count_reasons(reason for _, reason in self.passed_over)


def count_reasons(reasons: Iterable[str]) -> str:
    """Why files were passed over, counted: ``"2 × picture, 1 × no video by name (.txt)"``."""
    return ", ".join(f"{n} × {reason}" for reason, n in Counter(reasons).most_common())


def find_videos(paths: Iterable[str | os.PathLike[str]], *, on_error: OnError | None = None) -> list[Path]:
    """The videos of `look_for_videos`, without what was passed over."""
    return look_for_videos(paths, on_error=on_error).videos


def look_for_videos(paths: Iterable[str | os.PathLike[str]], *, on_error: OnError | None = None) -> Found:
    """Videos among and below paths: video files, NIfTI volumes, DICOM files or folders of one series.

    A file named outright is taken whatever its extension. Folders are walked for known extensions, linked
    ones too, each once, hidden files and folders left out. Pictures that move and TIFFs of several pages
    count as videos; a folder that holds DICOM slices counts as one, and so does a folder named outright with
    pictures and no video below it.

    Args:
        paths: Files and folders.
        on_error: Told of each folder that cannot be looked into, while the rest goes on; when None, the
            first is raised.

    Raises:
        VideoError: A path does not exist, or a folder cannot be read and ``on_error`` is None.
        InputError: One string was given instead of several paths.
    """
    if isinstance(paths, (str, os.PathLike)):
        raise InputError(f"paths must be several paths, got one: {paths!r}", hint="put it in a list")
    look = _Look(on_error or _raise)
    for path in map(Path, paths):
        if _is_folder(path):
            look.into(path)
        else:
            look.take(path)
    return Found(sorted(look.videos.values()), look.passed_over)


class _Look:
    def __init__(self, on_error: OnError) -> None:
        self._on_error = on_error
        self._walked: set[str] = set()
        self.videos: dict[str, Path] = {}
        self.passed_over: list[tuple[Path, str]] = []

    def take(self, path: Path) -> None:
        self.videos.setdefault(os.path.realpath(path), path)

    def into(self, folder: Path) -> None:
        """Everything below a folder; a folder met before, through a link or outright, is not walked again."""
        before = len(self.videos)
        pictures: list[tuple[Path, str]] = []
        for parent, names in self._walk(folder):
            for path in sorted(Path(parent, name) for name in names if not name.startswith(".")):
                why = _no_file(path) or (_is_code(path) if is_named_as_video(path) else _why_not(path))
                if not why:
                    self.take(path)
                else:
                    (pictures if why == _PICTURE else self.passed_over).append((path, why))
            self._take_series(Path(parent), names)
        if len(self.videos) == before and os.access(folder, os.R_OK) and image_files(folder):
            self.take(folder)
            pictures = [(path, why) for path, why in pictures if path.parent != folder]
        self.passed_over += pictures

    def _walk(self, folder: Path) -> Iterator[tuple[str, list[str]]]:
        for parent, folders, names in os.walk(folder, onerror=self._unreadable, followlinks=True):
            real = os.path.realpath(parent)
            if real in self._walked:
                folders[:] = []
                if Path(parent) != folder:
                    self.passed_over.append((Path(parent), "folder met before"))
                continue
            self._walked.add(real)
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            yield parent, names

    def _take_series(self, folder: Path, names: list[str]) -> None:
        try:
            slices = dicom_files(folder) if names else []
        except OSError as error:
            self._unreadable(error)
            return
        if slices:
            self.take(folder)
            mine = set(slices)
            self.passed_over = [(path, why) for path, why in self.passed_over if path not in mine]

    def _unreadable(self, error: OSError) -> None:
        where = Path(error.filename or ".")
        problem = VideoError(
            f"cannot read the folder {where}: {error.strerror}",
            hint="check its rights, or the length of its name",
        )
        self._on_error(where, problem)


def _is_folder(path: Path) -> bool:
    try:
        if not path.exists():
            raise VideoError(f"no such file or folder: {path}", hint="check the path")
        return path.is_dir()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise VideoError(f"cannot look at {path}: {why}", hint="shorten or check it") from error


def _raise(path: Path, error: VideoError) -> None:
    raise error


def is_named_as_video(path: Path) -> bool:
    """Whether a file is a video by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES or is_nifti(path)


_PICTURE = "picture"
NO_FILES = frozenset({"broken link", "no file but a pipe or device"})
"""Why what is named as a video is none: these are failures of their own wherever videos are gone through."""


def _no_file(path: Path) -> str:
    """Why there is nothing to read; empty for a file."""
    try:
        if path.is_file():
            return ""
        return "no file but a pipe or device" if path.exists() else "broken link"
    except OSError:  # a link to itself
        return "broken link"


def _why_not(path: Path) -> str:
    """Why a file that is not named as a video is passed over; empty for a picture that moves."""
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        return f"no video by name ({suffix or 'no suffix'})"
    return "" if is_animated(path) else _PICTURE


def _is_code(path: Path) -> str:
    """Why a ``.ts`` is passed over: TypeScript is called so too; empty for others."""
    if path.suffix.lower() != ".ts":
        return ""
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError:
        return ""
    stream_like = any(len(head) > at and head[at] == _SYNC for at in _SYNC_AT)
    return "" if stream_like or not head or b"\0" in head else "text named .ts"


def is_still(path: Path) -> bool:
    """Whether a file is a picture, by its name or, where that says nothing, by its first bytes."""
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES or not path.is_file():
        return False
    return suffix in IMAGE_SUFFIXES or is_picture(path)

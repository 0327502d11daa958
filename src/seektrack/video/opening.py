"""From what the user names to a source of frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

from seektrack.errors import InputError, VideoError
from seektrack.video.dicom import dicom_files
from seektrack.video.how import Opening, VideoInput
from seektrack.video.images import image_files
from seektrack.video.network import Progress
from seektrack.video.nifti import is_nifti
from seektrack.video.source import VideoSource

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
        ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
    }
)  # fmt: skip

OnError = Callable[[Path, VideoError], None]


def open_video(
    source: VideoInput,
    *,
    fps: float | Fraction | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    frames: int | None = None,
    window: tuple[float, float] | None = None,
    cache: str | None = None,
    interpolate: int = 1,
    progress: Progress | None = None,
) -> VideoSource:
    """Open a video file, an address, a camera, a folder of images, a scan, pictures in memory, or a source.

    A recording at an ``http://`` or ``https://`` address is fetched whole into a temporary file. Of a camera
    or stream, which has no end of its own, the piece up to ``end_s`` or of so many ``frames`` is recorded
    while this call lasts. Both can then be gone through in any order.

    Args:
        source: Path of a file, of a folder of images (in natural order of names), of a NIfTI volume
            (``.nii``, ``.nii.gz``), of a DICOM file or a folder holding one DICOM series; an address with
            ``://``; a camera's number; uint8 (T, H, W, 3), or a sequence of uint8 (H, W, 3), RGB; or another
            source, which stays open when this one is closed.
        fps: Frames per second of images, scans or arrays, 25 unless given or, for a scan in time, told by
            its file; a video file has its own times.
        start_s: Show only frames from here on, in seconds.
        end_s: Show only frames before here, in seconds.
        frames: Show only so many frames, from the first on.
        window: ``(level, width)`` of the values of a scan that become black to white, see `MedicalSource`.
        cache: Decode each frame once and keep it in a temporary file, for whoever goes through a video in
            any order: ``"raw"``, exact, or ``"jpeg"``, near and some twentieth of the room.
        interpolate: Show so many frames for each, those between moved along the optical flow.
        progress: Called with ``(done, total, stage)`` while something is fetched or recorded.

    Raises:
        VideoError: Missing, empty, not a video, without pictures, damaged beyond the first picture, or not
            reachable.
        InputError: A wrong ``fps``, interval, ``frames``, ``window``, ``cache`` or ``interpolate``, a
            ``window`` for what is no scan, or a stream without an end.
    """
    how = Opening(
        fps=fps,
        start_s=start_s,
        end_s=end_s,
        frames=frames,
        window=window,
        cache=cache,
        interpolate=interpolate,
    )
    return how.open(source, progress=progress)


def find_videos(paths: Iterable[str | os.PathLike[str]], *, on_error: OnError | None = None) -> list[Path]:
    """Videos among and below paths: video files, NIfTI volumes, DICOM files or folders of one series.

    A file named outright is taken whatever its extension. Folders are walked for known extensions, hidden
    files and folders left out; one that holds DICOM slices counts as a video itself, and so does a folder
    named outright with pictures and no video below it. Sorted, each once.

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
    found: dict[str, Path] = {}
    for path in map(Path, paths):
        if not _exists(path):
            raise VideoError(f"no such file or folder: {path}", hint="check the path")
        for video in _videos_below(path, on_error or _raise) if path.is_dir() else [path]:
            found.setdefault(os.path.realpath(video), video)
    return sorted(found.values())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise VideoError(f"cannot look at {path}: {error.strerror}", hint="shorten or check it") from error


def _raise(path: Path, error: VideoError) -> None:
    raise error


def _videos_below(folder: Path, on_error: OnError) -> list[Path]:
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        where = Path(error.filename or folder)
        problem = VideoError(
            f"cannot read the folder {where}: {error.strerror}",
            hint="check its rights, or the length of its name",
        )
        on_error(where, problem)

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [f for f in folders if not f.startswith(".")]
        shown = [Path(parent, n) for n in names if not n.startswith(".")]
        found += [p for p in shown if _is_named_as_video(p) and p.is_file()]
        try:
            found += [Path(parent)] if names and dicom_files(Path(parent)) else []
        except OSError as error:
            unreadable(error)
    if not found and os.access(folder, os.R_OK) and image_files(folder):
        return [folder]
    return found


def _is_named_as_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES or is_nifti(path)

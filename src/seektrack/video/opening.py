"""From what the user names to a source of frames."""

from __future__ import annotations

from fractions import Fraction

from seektrack.types import Progress
from seektrack.video.how import Opening, VideoInput
from seektrack.video.source import VideoSource


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
        source: Path of a video, of a picture of one page or several (animated WebP, multi-page TIFF), of a
            folder of images (in natural order of names), of a NIfTI volume (``.nii``, ``.nii.gz``), of a
            DICOM file or a folder holding one DICOM series; an address with ``://``; a camera's number; uint8
            (T, H, W, 3), or a sequence of uint8 (H, W, 3), RGB; or another source, which stays open when
            this one is closed.
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

"""How a source is opened: which part of it, at which rate, through which window; one for every door."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.types import Progress, VideoInfo
from seektrack.video.cache import CachedSource
from seektrack.video.feeds import CameraFeed, Feed, StreamFeed
from seektrack.video.file import FileSource
from seektrack.video.finding import is_still
from seektrack.video.images import ArraySource, FolderSource, PagesSource
from seektrack.video.live import is_camera
from seektrack.video.medical import MedicalSource, check_window, is_medical
from seektrack.video.network import Fetched, as_name, fetch, is_address, without_password
from seektrack.video.recording import Stretch, recorded
from seektrack.video.source import Picture, VideoSource, check_interval, describe, exact_fps
from seektrack.video.wall import wall
from seektrack.video.wrapped import BorrowedSource, InterpolatedSource, WrappedSource, first_frames

CACHES = {"raw": None, "jpeg": 95}
"""Quality at which frames are kept, by name."""
STREAM_TIMEOUT_S = 10.0
"""Longest wait for a server to say something."""

VideoInput = str | int | os.PathLike[str] | VideoSource | NDArray[np.uint8] | Sequence[NDArray[np.uint8]]
_NO_SCAN = "a window applies to DICOM and NIfTI only; leave it out"


@dataclass(frozen=True)
class Opening:
    """What `open_video` is told beside the source, so that it can be said once for many.

    Attributes:
        fps, start_s, end_s, frames, window, cache, interpolate: See `open_video`.

    Raises:
        InputError: One of them is out of range.
    """

    fps: float | Fraction | None = None
    start_s: float | None = None
    end_s: float | None = None
    frames: int | None = None
    window: tuple[float, float] | None = None
    cache: str | None = None
    interpolate: int = 1

    def __post_init__(self) -> None:
        check_interval(self.start_s, self.end_s)
        if self.fps is not None:
            exact_fps(self.fps)
        if self.window is not None:
            check_window(self.window)
        if self.cache is not None and self.cache not in CACHES:
            raise InputError(f"cannot keep frames as {self.cache!r}", hint=f"use {' or '.join(CACHES)}")
        for name in ("frames", "interpolate"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be a whole number ≥ 1, got {value}")

    def __str__(self) -> str:
        """What of it changes which pictures are seen; empty when nothing does."""
        said = [f"fps={float(self.fps):g}"] if self.fps is not None else []
        if self.start_s is not None or self.end_s is not None:
            said.append(f"part={self.start_s or 0:g}-{'' if self.end_s is None else f'{self.end_s:g}'}")
        said += [f"frames={self.frames}"] if self.frames is not None else []
        said += [f"window={self.window[0]:g},{self.window[1]:g}"] if self.window is not None else []
        said += [f"interpolate={self.interpolate}"] if self.interpolate > 1 else []
        return " ".join(said)

    def open(self, source: VideoInput, *, progress: Progress | None = None) -> VideoSource:
        """Open a source this way; see `open_video`.

        Raises:
            VideoError: It cannot be opened.
            InputError: It is not of a kind that can be, or not in this way.
        """
        what = as_name(source) if isinstance(source, (str, os.PathLike)) else source
        if isinstance(what, str) and (not what or "\0" in what):
            raise VideoError(f"no such video: {what!r}", hint="give the name of a file or folder")
        opened = self._live(what, progress)
        if opened is None:
            with wall(without_password(what) if isinstance(what, str) else "the pictures"):
                opened = self._stored(what, progress)
                opened.require_start()
            if self.frames is not None:
                opened = first_frames(opened, self.frames)
            if self.cache is not None:
                opened = CachedSource(opened, jpeg_quality=CACHES[self.cache])
        return opened if self.interpolate == 1 else InterpolatedSource(opened, self.interpolate)

    def _live(self, source: VideoInput, progress: Progress | None) -> VideoSource | None:
        """A recorded piece of what has no past to go back to; None of anything else."""
        if isinstance(source, VideoSource):
            if not source.live:
                return None
            path = source.info.path
            self._refuse(path, fps=True)
            self._need_end(path)
            pictures = ((p.timestamp, p) for p in source.pictures())
            return self._kept(Stretch(source.info, pictures, how=self, progress=progress))
        name = str(source) if isinstance(source, (int, str)) else ""
        if is_camera(name) and not os.path.exists(name):
            self._refuse(f"camera {name}", fps=True)
            self._need_end(f"camera {name}")
            return self._from_feed(CameraFeed(int(name)), f"camera://{name}", progress)
        if is_address(name) and not name.lower().startswith(("http://", "https://")):
            return self._from_stream(name, progress)
        return None

    def _from_stream(self, address: str, progress: Progress | None) -> VideoSource:
        self._refuse(without_password(address), fps=True)
        return self._from_feed(
            StreamFeed(address, {}, STREAM_TIMEOUT_S, paced=False), without_password(address), progress
        )

    def _from_feed(self, feed: Feed, path: str, progress: Progress | None) -> VideoSource:
        try:
            if not feed.has_end:
                self._need_end(path)
            info = VideoInfo(path=path, width=feed.hw[1], height=feed.hw[0], fps=feed.fps)
            return self._kept(Stretch(info, feed, how=self, progress=progress))
        finally:
            feed.close()

    def _kept(self, stretch: Stretch) -> VideoSource:
        return recorded(stretch, exact=self.cache == "raw")

    def _need_end(self, name: str) -> None:
        if self.end_s is None and self.frames is None:
            raise InputError(
                f"{name} is a live stream, which has no end",
                hint="say how much of it to take with --end SECONDS (end_s) or --frames N (frames); "
                "seektrack live watches it as it comes",
            )

    def _stored(self, source: VideoInput, progress: Progress | None) -> VideoSource:
        if isinstance(source, VideoSource):
            self._refuse(source.info.path, fps=True, hint="open the scan or the images with it")
            return BorrowedSource(source, start_s=self.start_s, end_s=self.end_s)
        if isinstance(source, str) and is_address(source):
            return self._fetched(source, progress)
        if isinstance(source, (str, int)):
            return self._at_path(Path(str(source)))
        if isinstance(source, (np.ndarray, list, tuple)):
            self._refuse(describe(source))
            return ArraySource(source, fps=self._rate, start_s=self.start_s, end_s=self.end_s)
        raise InputError(
            f"cannot open a {type(source).__name__} as a video",
            hint="give a path, an address, a camera's number, a uint8 array (T, H, W, 3), a list of uint8 "
            "arrays (H, W, 3), or what open_video gave",
        )

    def _at_path(self, path: Path) -> VideoSource:
        _check_name(path)
        if is_medical(path):
            rate = None if self.fps is None else exact_fps(self.fps)
            return MedicalSource(path, fps=rate, window=self.window, start_s=self.start_s, end_s=self.end_s)
        if path.is_dir():
            self._refuse(str(path))
            return FolderSource(path, fps=self._rate, start_s=self.start_s, end_s=self.end_s)
        if is_still(path):
            self._refuse(str(path))
            rate = None if self.fps is None else exact_fps(self.fps)
            return PagesSource(path, fps=rate, start_s=self.start_s, end_s=self.end_s)
        self._refuse(str(path), fps=True)
        return FileSource(path, start_s=self.start_s, end_s=self.end_s)

    def _fetched(self, address: str, progress: Progress | None) -> VideoSource:
        fetched = fetch(address, timeout_s=STREAM_TIMEOUT_S, progress=progress)
        if fetched is None:
            return self._from_stream(address, progress)
        shown = without_password(address)
        try:
            return FetchedSource(self._at_path(fetched.path), fetched, shown)
        except VideoError as error:
            fetched.close()
            raise VideoError(error.message.replace(str(fetched.path), shown), hint=error.hint) from error
        except BaseException:
            fetched.close()
            raise

    @property
    def _rate(self) -> Fraction:
        return exact_fps(25 if self.fps is None else self.fps)

    def _refuse(
        self, where: str, *, fps: bool = False, hint: str = "a video file carries its own times"
    ) -> None:
        """Refuse a window, and a rate, for what has none."""
        if self.window is not None:
            raise InputError(
                f"window={self.window} given for {where}, which is no medical scan", hint=_NO_SCAN
            )
        if fps and self.fps is not None:
            raise InputError(f"fps={float(self.fps):g} given for {where}", hint=hint)


class FetchedSource(WrappedSource):
    """What was fetched from an address, under the name of the address; the file goes with this source."""

    def __init__(self, source: VideoSource, fetched: Fetched, shown: str) -> None:
        super().__init__(source, info=replace(source.info, path=shown))
        self._fetched = fetched

    def _pictures_from(self, first: int) -> Iterator[Picture]:
        return self._holding(super()._pictures_from(first))

    def _key_pictures_all(self) -> Iterator[Picture]:
        return self._holding(super()._key_pictures_all())

    def _pictures_backwards(self, start: int, stop: int) -> Iterator[Picture]:
        return self._holding(super()._pictures_backwards(start, stop))

    def _holding(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        """The pictures; the file stays while somebody iterates, also when this source is forgotten."""
        yield from pictures


def _check_name(path: Path) -> None:
    """Refuse a name that is no text, before work is done whose results could not name the video."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise VideoError(f"the name {str(path)!r} is not valid Unicode", hint="rename the file") from error

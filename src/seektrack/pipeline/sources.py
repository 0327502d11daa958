"""What somebody named, as videos to go through one by one, each under the name it is known by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seektrack.errors import SeekTrackError, VideoError
from seektrack.library.identity import library_key
from seektrack.types import Progress
from seektrack.video import Opening, VideoInput, VideoSource, look_for_videos
from seektrack.video.finding import NO_FILES, is_named_as_video
from seektrack.video.live import is_camera
from seektrack.video.network import as_name, is_address, without_password

OnError = Callable[[str, SeekTrackError], None]
OnPassedOver = Callable[[str, str], None]


class NamedVideo:
    """One video that was asked for, opened when it is first needed, and once.

    Args:
        what: As for `open_video`.
        key: How a library and results name it: an absolute path, an address, ``camera://0`` or, of pictures
            in memory, ``memory://`` and a digest.
        opening: How it is opened.
        progress: Told while it is fetched or recorded.

    Attributes:
        path: Of a file or folder of this machine; None of anything else.
    """

    def __init__(
        self, what: VideoInput, key: str, *, opening: Opening | None = None, progress: Progress | None = None
    ) -> None:
        self.what, self.key = what, key
        self._opening, self._progress = opening or Opening(), progress
        self.path = None if is_address(key) else Path(key)

    @property
    def name(self) -> str:
        """What it is called in a line of progress."""
        return Path(self.key).name or self.key

    @property
    def live(self) -> bool:
        """Whether another look at it shows other pictures."""
        if isinstance(self.what, VideoSource):
            return self.what.live
        return self.key.startswith("camera://") or (
            is_address(self.key) and not self.key.lower().startswith(("http", "memory"))
        )

    @property
    def ships(self) -> bool:
        """Whether another process can open it as well: a file or a folder, no address, and not in memory."""
        return self.path is not None and isinstance(self.what, (str, os.PathLike))

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to open it: not what is open here, nor whom to tell."""
        kept = {name: value for name, value in self.__dict__.items() if name != "source"}
        return kept | {"_progress": None, "what": str(self.path) if self.ships else self.what}

    @cached_property
    def source(self) -> VideoSource:
        """The video, open.

        Raises:
            VideoError: It cannot be read.
            InputError: It cannot be opened this way.
        """
        return self._opening.open(self.what, progress=self._progress)

    def close(self) -> None:
        """Release what is open; it is opened anew when needed again."""
        opened = self.__dict__.pop("source", None)
        if opened is not None:
            opened.close()


def named_videos(
    given: VideoInput | Iterable[VideoInput],
    *,
    opening: Opening | None = None,
    on_error: OnError | None = None,
    on_passed_over: OnPassedOver | None = None,
    progress: Progress | None = None,
) -> list[NamedVideo]:
    """Every video among what was given, folders searched for them; each once, files by path, the rest behind.

    Args:
        given: One or several of what `open_video` takes; a list of pictures (H, W, 3) is one video.
        opening: How they are opened.
        on_error: Told of what is missing or cannot be looked into, while the rest goes on; when None, the
            first is raised.
        on_passed_over: Told of each file of a folder that is no video, and why.
        progress: Told while something is fetched or recorded.

    Raises:
        VideoError: Something is missing or cannot be looked into, and ``on_error`` is None.
    """
    files: dict[str, str] = {}
    others: dict[str, VideoInput] = {}
    for what in _several(given):
        if isinstance(what, (str, os.PathLike)):
            name = as_name(what)
            if is_address(name):
                others.setdefault(without_password(name), name)
                continue
            if not is_camera(name) or os.path.lexists(name):
                for video in _below(name, on_error, on_passed_over):
                    files.setdefault(os.path.realpath(video), str(video))
                continue
            what = int(name)
        others.setdefault(_key(what), what)
    known = [(library_or_plain(path), path) for path in sorted(files.values())]
    return [
        NamedVideo(what, key, opening=opening, progress=progress) for key, what in [*known, *others.items()]
    ]


def library_or_plain(path: str) -> str:
    """How a library names a path; the absolute path itself where it is no text and no library takes it."""
    try:
        return library_key(path)
    except VideoError:
        return os.path.abspath(path)


def _several(given: VideoInput | Iterable[VideoInput]) -> list[VideoInput]:
    if isinstance(given, (str, int, os.PathLike, VideoSource, np.ndarray)):
        return [given]
    listed = list(given)
    if listed and all(isinstance(one, np.ndarray) and one.ndim == 3 for one in listed):
        return [listed]  # type: ignore[list-item]  # pictures of one video
    return listed


def _below(name: str, on_error: OnError | None, on_passed_over: OnPassedOver | None) -> list[Path]:
    def tell(path: Path, error: VideoError) -> None:
        if on_error is None:
            raise error
        on_error(str(path), error)

    try:
        if not name or "\0" in name:
            raise VideoError(f"no such file or folder: {name!r}", hint="give the name of a file or folder")
        found = look_for_videos([name], on_error=tell)
    except VideoError as error:
        tell(Path(name), error)
        return []
    for path, why in found.passed_over:
        if why in NO_FILES and is_named_as_video(path):
            tell(
                path,
                VideoError(f"cannot read {path}: {why}", hint="remove it, or put the video in its place"),
            )
        elif on_passed_over is not None:
            on_passed_over(str(path), why)
    return found.videos


def _key(what: VideoInput) -> str:
    if isinstance(what, int):
        return f"camera://{what}"
    if isinstance(what, VideoSource):
        path = what.info.path
        return path if is_address(path) else library_or_plain(path) if path != "array" else _digest(what)
    if isinstance(what, (np.ndarray, list, tuple)):
        digest = hashlib.sha256()
        for image in what:
            digest.update(np.ascontiguousarray(image).tobytes())
        return f"memory://{digest.hexdigest()[:12]}"
    return f"memory://{id(what):x}"


def _digest(source: VideoSource) -> str:
    """Of an open source of pictures in memory: by what it shows."""
    digest = hashlib.sha256()
    for frame in source:
        digest.update(np.ascontiguousarray(frame.image).tobytes())
    return f"memory://{digest.hexdigest()[:12]}"

"""Videos over the wire: found by name or id, held open between requests, shown as pictures."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seektrack.errors import SeekTrackError, VideoError
from seektrack.serving.refusals import RefusedError, not_found, too_large
from seektrack.serving.roots import Roots, check_plain
from seektrack.serving.state import State
from seektrack.types import Frame
from seektrack.video import VideoSource, open_video

if TYPE_CHECKING:
    from seektrack.pipeline import Library

_OPEN = 4
"""Videos held open: a decoder and an index of frames each."""
_PICTURES_BYTES = 32 * 2**20
"""Small pictures held in memory."""
PLAYED = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm",
          ".mkv": "video/webm", ".ogv": "video/ogg"}  # fmt: skip
"""Containers a browser may play as they are, and what it is told of them."""


@dataclass(frozen=True)
class Named:
    """A video that may be opened.

    Attributes:
        id: What it is asked for by.
        path: As the library, or the file system, knows it.
    """

    id: str
    path: str

    @property
    def version(self) -> str:
        """Of what lies there now; another when the file changes."""
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise VideoError(
                f"{self.path} is not there any more", hint="bring it back, or remove it from the library"
            ) from error
        return f"{self.id}-{status.st_size:x}-{status.st_mtime_ns:x}"


def video_id(path: str) -> str:
    """What a video is asked for by over the wire: of its path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


class Videos:
    """Every video that may be asked for.

    Args:
        state: Keeps which id was told for which path.
        roots: Folders below which videos may be named.
        libraries: What they hold may be named too; those who indexed it chose it.
        most_s: Longest that is taken, in seconds.
    """

    def __init__(
        self, state: State, roots: Roots, libraries: Callable[[], Iterable[Library]], *, most_s: float
    ) -> None:
        self.roots, self.most_s = roots, most_s
        self._state, self._libraries = state, libraries
        self._told: set[str] = set()
        self._open: OrderedDict[str, tuple[VideoSource, threading.Lock]] = OrderedDict()
        self._lock = threading.Lock()
        self._pictures: OrderedDict[str, bytes] = OrderedDict()

    def tell(self, paths: Iterable[str]) -> dict[str, str]:
        """Ids of paths that are told to somebody, kept so that they can be asked for."""
        ids = {path: video_id(path) for path in paths}
        new = [(one, path) for path, one in ids.items() if one not in self._told]
        if new:
            with self._state.writing() as connection:
                connection.executemany("INSERT OR IGNORE INTO videos (id, path) VALUES (?, ?)", new)
            self._told.update(one for one, _ in new)
        return ids

    def find(self, name: str, *, links: bool = False) -> Named:
        """The video of a path, of a path below a root, or of an id.

        Args:
            name: The name.
            links: See `Roots.find`.

        Raises:
            InputError: It is no name of a file.
            RefusedError: There is none that may be opened.
        """
        if self._in_library(name):
            self._check_link(name)
            path = name
        elif (known := self._known(name)) is not None:
            return known
        else:
            path = str(self.roots.find(name, links=links))
        return Named(self.tell([path])[path], path)

    def by_id(self, one: str) -> Named:
        """The video of an id.

        Raises:
            RefusedError: There is none, or it may not be opened any more.
        """
        known = self._known(one)
        if known is None:
            raise not_found(
                f"video {one[:40]!r}",
                hint="GET /api/v1/libraries/{library}/videos lists them",
                code="bad_video",
            )
        return known

    def _known(self, one: str) -> Named | None:
        row = self._state.one("SELECT path FROM videos WHERE id = ?", one)
        if row is None:
            return None
        path = str(row["path"])
        if self._in_library(path):
            self._check_link(path)
        elif self.roots.inside(Path(path)) is None:
            raise not_found(
                f"video {one[:40]!r}",
                hint="it is gone, or in no library and below no root",
                code="bad_video",
            )
        else:
            check_plain(Path(path), self.roots)
        return Named(one, path)

    def _in_library(self, name: str) -> bool:
        if not os.path.isabs(name) or "\0" in name:
            return False
        for library in self._libraries():
            try:
                if library.holds(name):
                    return True
            except SeekTrackError:  # one that is not there yet, or damaged, holds nothing
                continue
        return False

    def _check_link(self, path: str) -> None:
        """Refuse a link put below a root, after it was indexed, that leads out of all of them."""
        if self.roots.holds(Path(path)) and os.path.exists(path) and self.roots.inside(Path(path)) is None:
            raise RefusedError(403, "forbidden", f"{path} leads outside the roots")

    def describe(self, named: Named) -> dict[str, Any]:
        """What is known of a video, as JSON.

        Raises:
            VideoError: It cannot be read.
            RefusedError: It is longer than is taken.
        """
        with self.opened(named) as source:
            info = source.info
            n_frames = info.n_frames
        suffix = Path(named.path).suffix.lower()
        return {
            "id": named.id,
            "video": named.path,
            "name": info.name,
            "width": info.width,
            "height": info.height,
            "fps": float(info.fps),
            "fps_exact": str(info.fps),
            "duration_s": info.duration_s,
            "n_frames": n_frames,
            "plays": suffix in PLAYED and os.path.isfile(named.path),
            "version": named.version,
        }

    def check_length(self, named: Named, *, start_s: float | None = None, end_s: float | None = None) -> None:
        """Refuse what is longer than is followed.

        Raises:
            RefusedError: It is.
            VideoError: It cannot be read.
        """
        with self.opened(named) as source:
            info = source.info
            length = info.duration_s
            if length is None:
                length = 0.0 if info.n_frames is None else float(info.n_frames / info.fps)
        asked = min(length, end_s if end_s is not None else length) - (start_s or 0.0)
        if asked > self.most_s:
            raise too_large(
                f"{asked:.0f} s of {named.path} are asked for, at most {self.most_s:.0f} s are followed",
                hint="ask for a part with start_s and end_s",
            )

    @contextmanager
    def opened(self, named: Named) -> Iterator[VideoSource]:
        """The video, open, for one thread at a time.

        Raises:
            VideoError: It cannot be read.
        """
        version = named.version
        with self._lock:
            held = self._open.get(version)
            if held is not None:
                self._open.move_to_end(version)
        if held is None:
            held = (open_video(named.path), threading.Lock())
            with self._lock:
                held = self._open.setdefault(version, held)
                while len(self._open) > _OPEN:
                    _, (old, busy) = self._open.popitem(last=False)
                    with busy:
                        old.close()
        with held[1]:
            yield held[0]

    def frame(self, named: Named, *, index: int | None = None, time_s: float | None = None) -> Frame:
        """One frame, by its number or the nearest to a time.

        Raises:
            InputError: There is no such frame.
            VideoError: The video cannot be read.
        """
        with self.opened(named) as source:
            if index is not None:
                return source.frame_at(index)
            return source.frame_near(time_s or 0.0)

    def times(self, named: Named) -> list[float]:
        """Time of each frame in seconds.

        Raises:
            VideoError: The video cannot be read.
        """
        with self.opened(named) as source:
            return [float(time) for time in source.times()]

    def picture(
        self,
        named: Named,
        *,
        index: int | None = None,
        time_s: float | None = None,
        width: int | None = None,
        kind: str = "jpeg",
        keep: bool = False,
    ) -> bytes:
        """One frame as a JPEG or PNG, no wider than ``width``; with ``keep`` it is made once."""
        key = f"{named.version} {index} {time_s} {width} {kind}"
        with self._lock:
            held = self._pictures.get(key)
            if held is not None:
                self._pictures.move_to_end(key)
                return held
        made = encoded(self.frame(named, index=index, time_s=time_s), width=width, kind=kind)
        if keep:
            with self._lock:
                self._pictures[key] = made
                while sum(map(len, self._pictures.values())) > _PICTURES_BYTES:
                    self._pictures.popitem(last=False)
        return made

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            for source, _ in self._open.values():
                source.close()
            self._open.clear()


def encoded(frame: Frame, *, width: int | None, kind: str) -> bytes:
    """A frame as a picture file."""
    from PIL import Image

    picture = Image.fromarray(frame.image)
    if width is not None and width < picture.width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    out = io.BytesIO()
    if kind == "png":
        picture.save(out, "PNG")
    else:
        picture.save(out, "JPEG", quality=88)
    return out.getvalue()

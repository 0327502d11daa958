"""Writing one video into a library, batch by batch, so that a killed run loses only its last batch."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from seektrack.errors import InputError, LibraryError
from seektrack.library.identity import FileIdentity, digest_of_whole
from seektrack.library.rows import KINDS, FrameRow
from seektrack.library.turns import TurnTimes
from seektrack.library.whole import Picture

COMMIT_ROWS = 256
COMMIT_S = 2.0
SILENT_S = 600.0


class VideoSink(Protocol):
    """Where the pictures of one video go, in a library of either back end."""

    def write(self, pictures: Sequence[Picture]) -> None:
        """Keep pictures, so that they survive a kill; nobody sees them yet.

        Raises:
            LibraryError: Another process took the video over, or the library cannot be written.
        """
        ...

    def finish(
        self, pictures: Sequence[Picture], *, whole: str, damage: str, turns: TurnTimes | None
    ) -> None:
        """Keep the last pictures and serve the video, in place of what is served of its path.

        Raises:
            LibraryError: As `write`.
        """
        ...

    def release(self) -> None:
        """Let another run go on with the video."""
        ...


class VideoWriterHandle:
    """One video while it is indexed. Made by `LibraryStore.begin_video`.

    Rows are committed in batches of whole `append` calls, at least every 2 s of appending; `last_frame_index`
    tells what is safe on disk. Leaving a ``with`` block without `finish` commits the
    rest and keeps it for a resume.

    Attributes:
        path: The video, as the library knows it.
        last_frame_index: Last frame on disk, -1 when there is none; a resumed run continues behind it.
    """

    def __init__(
        self, sink: VideoSink, path: str, last_frame_index: int, *, dim: int, identity: FileIdentity
    ) -> None:
        self.path = path
        self.dim = dim
        self._identity = identity
        self.last_frame_index = last_frame_index
        self._sink = sink
        self._pending: list[Picture] = []
        self._pending_frame = last_frame_index
        self._committed_at = time.monotonic()
        self._finished = False

    def append(self, rows: Sequence[FrameRow]) -> None:
        """Add all rows of one or more whole frames, in order.

        Raises:
            InputError: A vector of another length, not finite, or a frame out of order.
            LibraryError: Another process took this video over, the handle is finished, or the disk is full.
        """
        if self._finished:
            raise LibraryError(
                f"{self.path!r} is already finished", hint="call begin_video to index it again"
            )
        previous, first = self._pending_frame, True
        values = []
        for row in rows:
            # Rows of one frame come together in one call, so a frame seen before is a mistake of the caller.
            if row.frame_index < previous or (first and row.frame_index == previous):
                raise InputError(
                    f"frame {row.frame_index} of {self.path!r} comes after frame {previous}",
                    hint="append all rows of a frame in one call, and frames in order",
                )
            previous, first = row.frame_index, False
            values.append(self._values(row))
        self._pending += values
        self._pending_frame = previous
        if len(self._pending) >= COMMIT_ROWS or time.monotonic() - self._committed_at >= COMMIT_S:
            self.flush()

    def flush(self) -> None:
        """Commit what was appended; when this returns it survives a kill and a loss of power."""
        if self._pending:
            self._sink.write(self._pending)
            self._pending = []
            self.last_frame_index = self._pending_frame
        self._committed_at = time.monotonic()

    def finish(self, *, damage: str = "", turns: TurnTimes | None = None) -> None:
        """Commit the rest and serve the video from now on; calling it twice does nothing.

        What was served of the path until now goes in the same transaction.

        Args:
            damage: What was wrong with the file as it was read, for people; empty when it was whole.
            turns: Where its picture turned, as far as that was seen.
        """
        if self._finished:
            return
        whole = digest_of_whole(self.path, self._identity)
        self._sink.finish(self._pending, whole=whole, damage=damage, turns=turns)
        self._pending = []
        self.last_frame_index = self._pending_frame
        self._finished = True

    def release(self) -> None:
        """Commit the rest and let another run resume this video; the handle is of no more use."""
        self.flush()
        self._sink.release()

    def __enter__(self) -> VideoWriterHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._finished:
            return
        if kind is None:
            self.release()
            return
        with contextlib.suppress(LibraryError):  # the error that is under way matters more
            self.release()

    def _values(self, row: FrameRow) -> Picture:
        vector = np.asarray(row.vector, dtype=np.float32)
        if vector.shape != (self.dim,) or not np.isfinite(vector).all():
            raise InputError(
                f"a vector of this library has {self.dim} finite numbers, got shape {vector.shape}",
                hint="embed with the model the library was made with",
            )
        if row.kind not in KINDS:
            raise InputError(f"unknown kind {row.kind!r}", hint=f"allowed: {', '.join(KINDS)}")
        x0, y0, x1, y1 = (None,) * 4 if row.box is None else tuple(float(v) for v in row.box)
        return (
            *(int(row.frame_index), str(row.timestamp), float(row.timestamp), KINDS.index(row.kind)),
            *(x0, y0, x1, y1),
            vector.astype("<f2").tobytes(),
        )


def taken_over(path: str) -> LibraryError:
    """The error for a video that is no longer this process's to write."""
    return LibraryError(
        f"{path!r} was taken over or removed by another process",
        hint="let only one process index a video at a time",
    )


def new_owner() -> str:
    """A token that names this machine, this process and this handle."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:12]}"


def is_at_work(owner: str, beat_s: float) -> bool:
    """Whether another process of this machine still writes under this token."""
    host, _, rest = owner.partition("/")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit() or int(pid) == os.getpid():
        return False
    if time.time() - beat_s > SILENT_S:
        return False
    return os.name != "posix" or _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    try:  # a killed process stays as a zombie until its parent asks for it
        return stat.read_text().rpartition(")")[2].split()[0] != "Z" if stat.exists() else True
    except (OSError, IndexError):
        return True

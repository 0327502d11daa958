"""Writing one video into a library, batch by batch, so that a killed run loses only its last batch."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from seektrack.errors import InputError, LibraryError
from seektrack.library.checks import frame_checksum
from seektrack.library.identity import FileIdentity, digest_of_whole
from seektrack.library.rows import KINDS, FrameRow
from seektrack.library.turns import TurnTimes
from seektrack.library.turns import keep as keep_turns

COMMIT_ROWS = 256
COMMIT_S = 2.0
SILENT_S = 600.0
INSERT = """INSERT INTO frames (video_id, frame_index, pts, time_s, kind, x0, y0, x1, y1, vector, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class Writing(Protocol):
    """What a handle needs of its store."""

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """One immediate transaction."""
        ...

    def settle(self, connection: sqlite3.Connection, video_id: int, *, whole: str, damage: str) -> None:
        """Make a video that is complete the one of its path, inside a transaction."""
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
        self,
        store: Writing,
        path: str,
        video_id: int,
        owner: str,
        last_frame_index: int,
        *,
        dim: int,
        identity: FileIdentity,
    ) -> None:
        self.path = path
        self.dim = dim
        self._identity = identity
        self.last_frame_index = last_frame_index
        self._store = store
        self._video_id = video_id
        self._owner = owner
        self._pending: list[tuple[object, ...]] = []
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
            with self._store.writing() as connection:
                self._claim(connection)
                connection.executemany(INSERT, self._pending)
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
        with self._store.writing() as connection:
            self._claim(connection)
            connection.executemany(INSERT, self._pending)
            if turns is not None:
                keep_turns(connection, self._video_id, turns)
            self._store.settle(connection, self._video_id, whole=whole, damage=damage)
        self._pending = []
        self.last_frame_index = self._pending_frame
        self._finished = True

    def release(self) -> None:
        """Commit the rest and let another run resume this video; the handle is of no more use."""
        self.flush()
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE videos SET owner = '' WHERE id = ? AND owner = ?", (self._video_id, self._owner)
            )

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

    def _claim(self, connection: sqlite3.Connection) -> None:
        changed = connection.execute(
            "UPDATE videos SET beat_s = ? WHERE id = ? AND owner = ? AND state = 'indexing'",
            (time.time(), self._video_id, self._owner),
        ).rowcount
        if changed != 1:
            raise LibraryError(
                f"{self.path!r} was taken over or removed by another process",
                hint="let only one process index a video at a time",
            )

    def _values(self, row: FrameRow) -> tuple[object, ...]:
        vector = np.asarray(row.vector, dtype=np.float32)
        if vector.shape != (self.dim,) or not np.isfinite(vector).all():
            raise InputError(
                f"a vector of this library has {self.dim} finite numbers, got shape {vector.shape}",
                hint="embed with the model the library was made with",
            )
        if row.kind not in KINDS:
            raise InputError(f"unknown kind {row.kind!r}", hint=f"allowed: {', '.join(KINDS)}")
        box = (None,) * 4 if row.box is None else tuple(float(v) for v in row.box)
        place = (self._video_id, int(row.frame_index), str(row.timestamp), float(row.timestamp))
        kind, stored = KINDS.index(row.kind), vector.astype("<f2").tobytes()
        return (*place, kind, *box, stored, frame_checksum(*place, kind, box, stored))


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

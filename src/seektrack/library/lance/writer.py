"""One video on its way into a LanceDB library, unseen until one commit to the catalogue serves it."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seektrack.library.beside import Extra
from seektrack.library.lance import pictures, tables
from seektrack.library.lance.beside import Beside
from seektrack.library.lance.catalogue import Entry, Snapshot
from seektrack.library.turns import KIND, TurnTimes, as_numbers
from seektrack.library.whole import Picture
from seektrack.library.writer import is_at_work, taken_over

if TYPE_CHECKING:
    import lancedb

BEAT_S = 30.0
"""A writer is heard of at least so often while it writes."""
SILENT_S = 180.0
"""A writer of another machine that was not heard of for so long is taken for dead."""


class Writable(Protocol):
    """What a sink needs of its store."""

    path: Path | str
    fingerprint: str

    @property
    def _beside(self) -> Beside: ...

    def _now(self) -> Snapshot: ...

    def _frames_of(self, fingerprint: str, dim: int | None = None) -> lancedb.table.Table: ...

    def write(self, entries: Sequence[Entry], *, only_where: str | None = None) -> int:
        """Write rows of the catalogue in one commit; how many were written."""
        ...

    def forget(self, rows: Sequence[Entry]) -> None:
        """Mark rows as gone."""
        ...


class LanceSink:
    """Where the pictures of one video go; see `seektrack.library.writer.VideoSink`.

    Args:
        store: The library.
        entry: The row of the video, already in the catalogue.

    Attributes:
        count: Pictures that are kept.
        last_frame_index: Frame of the last of them; -1 when there is none.
    """

    def __init__(self, store: Writable, entry: Entry) -> None:
        self._store, self._entry = store, entry
        self._table = store._frames_of(entry.fingerprint)
        self._dim = int(self._table.schema.field("vector").type.list_size)
        self._beaten_at = time.monotonic()
        self.count = 0
        self.last_frame_index = -1

    def continue_after(self, older: Entry) -> None:
        """Go on where another run stopped: its pictures come under this run's id, in one commit."""
        with tables.guard(self._store.path):
            query = self._table.search().where(f"video_id = {older.id}")
            found = query.select(["frame_index"]).to_arrow()["frame_index"].to_numpy()
            if not len(found):
                return
            last = int(found.max())
            self._table.update(
                where=f"video_id = {older.id} AND frame_index <= {last}", values={"video_id": self._entry.id}
            )
            self.count += self._table.count_rows(f"video_id = {self._entry.id}")
        self.last_frame_index = last

    def write(self, pictures_: Sequence[Picture]) -> None:
        """Keep pictures; nobody sees them yet."""
        self._claim()
        if not pictures_:
            return
        table = pictures.as_table(self._entry.id, self.count, pictures_, self._dim)
        with tables.guard(self._store.path):
            self._table.add(table)
        self.count += len(pictures_)

    def finish(
        self, pictures_: Sequence[Picture], *, whole: str, damage: str, turns: TurnTimes | None
    ) -> None:
        """Keep the last pictures and serve the video."""
        self.write(pictures_)
        if turns is not None:
            self._store._beside.put(self._entry.id, KIND, Extra("", as_numbers(turns)))
        about = {**self._entry.about, "whole": whole, "damage": damage, "pictures": self.count}
        self.serve(about, hand_over=True)

    def serve(self, about: Mapping[str, Any], *, hand_over: bool) -> None:
        """Make the video the one of its path, in one commit; then take out what was.

        Raises:
            LibraryError: Another process took the video over, or the library cannot be written.
        """
        state, mine = self._store._now(), self._entry
        rivals = [
            one
            for one in state.of_path(mine.path)
            if one.state == "whole" and one.fingerprint == mine.fingerprint
        ]
        if hand_over and mine.fingerprint == self._store.fingerprint:
            for one in rivals[:1]:
                if (one.about["size"], one.about["digest"]) == (about["size"], about["digest"]):
                    self._store._beside.hand_over(one.id, mine.id)
        rank = 1 + max((one.rank for one in rivals), default=0)
        done = replace(mine, state="whole", about=about, rank=rank, owner="", beat_s=time.time())
        if not self._store.write([done], only_where=owned_by(mine.owner)):
            raise taken_over(mine.path)
        self._store.forget(rivals)

    def release(self) -> None:
        """Let another run go on with the video."""
        self._store.write([replace(self._entry, owner="")], only_where=owned_by(self._entry.owner))

    def _claim(self) -> None:
        """Check that the video is still this run's, and be heard of."""
        now = next((one for one in self._store._now().videos if one.id == self._entry.id), None)
        if now is None or now.state != "indexing" or now.owner != self._entry.owner:
            raise taken_over(self._entry.path)
        if time.monotonic() - self._beaten_at > BEAT_S:
            beat = replace(self._entry, beat_s=time.time())
            if not self._store.write([beat], only_where=owned_by(self._entry.owner)):
                raise taken_over(self._entry.path)
            self._beaten_at = time.monotonic()


def owned_by(owner: str) -> str:
    """SQL for a row of the catalogue that is being indexed by an owner."""
    quoted = owner.replace("'", "''")
    return f"target.state = 'indexing' AND target.owner = '{quoted}'"


def is_silent(row: Entry) -> bool:
    """Whether nobody writes a video any more, as far as can be told.

    A process of this machine is looked for; one of another is believed dead when it was long not heard of. A
    clock that is wrong makes that a mistake, which the one who lost the video is told.
    """
    if not row.owner:
        return True
    if row.owner.partition("/")[0] == socket.gethostname():
        return not is_at_work(row.owner, row.beat_s)
    return abs(time.time() - row.beat_s) > SILENT_S

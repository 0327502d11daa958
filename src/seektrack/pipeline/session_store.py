"""What a tracking session keeps: rows, and every edit with what it wrote over, each in one transaction.

Killed at any instant, the file holds the session as it was after the last edit. An edit is undone by writing
back what it wrote over, so the bytes are the same again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seektrack.errors import OutputError
from seektrack.pipeline.session_checks import finite, particulars, reading
from seektrack.pipeline.session_file import SessionFile

Key = tuple[int, int]
Changes = Mapping[Key, str | None]
"""By object and frame what is there from now on; None where nothing is."""


@dataclass(frozen=True)
class Edit:
    """One thing that was done to a session.

    Attributes:
        id: Counted from 1, in order.
        kind: ``correct``, ``rename``, ``merge``, ``split`` or ``delete``.
        what: The particulars, as JSON holds them.
        undone: Whether it was undone and may be redone.
        repaired: Of a correction, the edit that was the latest when the frames around it were repaired, and
            goes back with it; None while they are to be.
    """

    id: int
    kind: str
    what: dict[str, Any]
    undone: bool = False
    repaired: int | None = None


class SessionStore(SessionFile):
    """A session's rows and edits."""

    def rows(self) -> Iterator[tuple[int, int, str]]:
        """Object, frame and what is there, in that order."""
        with reading(self.path):
            found = self._connection.execute(
                "SELECT obj_id, frame_index, value FROM rows ORDER BY 1, 2"
            ).fetchall()
        yield from found

    def frames(self) -> dict[int, float]:
        """Seconds of every frame gone through."""
        with reading(self.path):
            found = self._connection.execute("SELECT frame_index, time_s FROM frames ORDER BY 1").fetchall()
            return {frame_index: finite(time_s) for frame_index, time_s in found}

    def edits(self) -> list[Edit]:
        """Everything that was done, in order, undone edits too."""
        with reading(self.path):
            found = self._connection.execute("SELECT id, kind, what, undone, repaired FROM edits ORDER BY id")
            return [
                Edit(i, kind, particulars(kind, what), bool(undone), done)
                for i, kind, what, undone, done in found.fetchall()
            ]

    def fill(self, rows: Changes, frames: Mapping[int, float], meta: Mapping[str, Any]) -> None:
        """Take in what was followed; what a person said before stands, and undoing it brings this back."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO frames VALUES (?, ?)", sorted(frames.items())
            )
            for key, value in rows.items():
                held = self._value(key)
                if held is None:
                    self._write(key, value)
                else:
                    self._connection.execute(
                        "UPDATE changes SET before = ?3 "
                        "WHERE obj_id = ?1 AND frame_index = ?2 AND before IS NULL",
                        (*key, value),
                    )
            self._put_meta(meta)
            self._connection.execute("DELETE FROM steps")
            self._connection.execute("DELETE FROM state")

    def steps(self) -> list[tuple[int, int, str]]:
        """What was logged while the video is followed: session, step and answer."""
        with reading(self.path):
            return self._connection.execute("SELECT session, step, value FROM steps").fetchall()

    def state(self) -> tuple[int, int, bytes] | None:
        """The state of the network's session that was kept last: session, step and state."""
        with reading(self.path):
            return self._connection.execute("SELECT session, step, value FROM state").fetchone()  # type: ignore[no-any-return]

    def log(self, steps: Mapping[tuple[int, int], str], session: int, step: int, state: bytes) -> None:
        """Log answers, and keep a state in place of the last."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?)", [(*key, text) for key, text in steps.items()]
            )
            self._connection.execute(
                "INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?)", (session, step, state)
            )

    def forget_log(self) -> None:
        """Follow from the beginning."""
        with self._transaction():
            self._connection.execute("DELETE FROM steps")
            self._connection.execute("DELETE FROM state")

    def add(self, kind: str, what: Mapping[str, Any], changes: Changes) -> int:
        """Do something new: write rows, remember what they wrote over, and forget what could be redone.

        Returns:
            The number of the edit.
        """
        with self._transaction():
            self._connection.execute("DELETE FROM edits WHERE undone")
            edit = self._connection.execute(
                "INSERT INTO edits (kind, what) VALUES (?, ?)", (kind, json.dumps(what))
            ).lastrowid
            if edit is None:
                raise OutputError("the session's file took no edit")
            self._change(edit, changes)
            return edit

    def extend(
        self, edit: int, changes: Changes, repaired: Iterable[int], frames: Mapping[int, float]
    ) -> None:
        """Add to what an edit changed, and say which corrections that repaired, and when frames are."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO frames VALUES (?, ?)", sorted(frames.items())
            )
            self._change(edit, changes)
            self._connection.executemany(
                "UPDATE edits SET repaired = ? WHERE id = ?", [(edit, one) for one in repaired]
            )

    def put_right(self) -> set[Key]:
        """Objects and frames that corrections, and the repairs around them, wrote since the following."""
        with reading(self.path):
            found = self._connection.execute(
                "SELECT obj_id, frame_index FROM changes JOIN edits ON edits.id = edit "
                "WHERE kind = 'correct' AND NOT undone"
            )
            return set(found.fetchall())

    def before(self, edit: int, key: Key) -> str | None:
        """What an edit wrote over; None where nothing was there."""
        with reading(self.path):
            found = self._connection.execute(
                "SELECT before FROM changes WHERE edit = ? AND obj_id = ? AND frame_index = ?", (edit, *key)
            ).fetchone()
        return None if found is None or found[0] is None else str(found[0])

    def undo(self) -> tuple[Edit, dict[Key, str | None]] | None:
        """Take back the latest edit; what is there now of what it changed, None where there is no edit."""
        edit = next((e for e in reversed(self.edits()) if not e.undone), None)
        if edit is None:
            return None
        with self._transaction():
            self._connection.execute("UPDATE edits SET undone = 1 WHERE id = ?", (edit.id,))
            return edit, self._replay(edit.id, "before")

    def redo(self) -> tuple[Edit, dict[Key, str | None]] | None:
        """Do again what was undone last; see `undo`."""
        edit = next((e for e in self.edits() if e.undone), None)
        if edit is None:
            return None
        with self._transaction():
            self._connection.execute("UPDATE edits SET undone = 0 WHERE id = ?", (edit.id,))
            return edit, self._replay(edit.id, "after")

    def _replay(self, edit: int, which: str) -> dict[Key, str | None]:
        found = self._connection.execute(
            f"SELECT obj_id, frame_index, {which} FROM changes WHERE edit = ?",
            (edit,),
        ).fetchall()
        for obj_id, frame_index, value in found:
            self._write((obj_id, frame_index), value)
        return {(obj_id, frame_index): value for obj_id, frame_index, value in found}

    def _change(self, edit: int, changes: Changes) -> None:
        for key, after in changes.items():
            before = self._value(key)
            if before != after:
                self._write(key, after)
                self._connection.execute(
                    "INSERT INTO changes VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (edit, obj_id, frame_index) DO UPDATE SET after = excluded.after",
                    (edit, *key, before, after),
                )

    def _value(self, key: Key) -> str | None:
        found = self._connection.execute(
            "SELECT value FROM rows WHERE obj_id = ? AND frame_index = ?", key
        ).fetchone()
        return None if found is None else str(found[0])

    def _write(self, key: Key, value: str | None) -> None:
        if value is None:
            self._connection.execute("DELETE FROM rows WHERE obj_id = ? AND frame_index = ?", key)
        else:
            self._connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", (*key, value))

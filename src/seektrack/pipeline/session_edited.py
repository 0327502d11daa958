"""Edits of a tracking session that look at no frame: names, who is who, and taking anything back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seektrack.pipeline import session_edits as edits
from seektrack.pipeline.session_held import HeldSession
from seektrack.pipeline.session_store import Edit


class EditedSession(HeldSession):
    """A session as it stands, and what changes it by its rows alone."""

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Keep all that is done inside the block, or, where something of it raises, nothing of it.

        Edits, corrections, undo and redo alike: a refused correction after an `undo` and a `rename` leaves
        the bytes as they were before both.
        """
        with self._lock:
            try:
                with self._store.all_or_none():
                    yield
            except BaseException:
                self._read()
                raise

    def rename(self, obj_id: int, label: str) -> None:
        """Call an object something else.

        Raises:
            InputError: There is no such object.
        """
        with self._lock:
            self._do(
                "rename", {"obj_id": obj_id, "label": label}, edits.renamed(self._objects, obj_id, label)
            )

    def merge(self, obj_id: int, into: int) -> None:
        """Make one object part of another; where both are seen the other's masks stand.

        Raises:
            InputError: There is no such object, or they are one.
        """
        with self._lock:
            self._do("merge", {"obj_id": obj_id, "into": into}, edits.merged(self._objects, obj_id, into))

    def split(self, obj_id: int, frame_index: int) -> int:
        """Make an object of its own of what an object is from a frame on.

        Returns:
            The id of the new object.

        Raises:
            InputError: There is no such object, or one part would be empty.
        """
        with self._lock:
            new_id = self._next_id()
            changes = edits.split(self._objects, obj_id, frame_index, new_id, self._next_place())
            self._do("split", {"obj_id": obj_id, "frame_index": frame_index, "new_id": new_id}, changes)
            return new_id

    def delete(self, obj_id: int) -> None:
        """Take an object out.

        Raises:
            InputError: There is no such object.
        """
        with self._lock:
            self._do("delete", {"obj_id": obj_id}, edits.deleted(self._objects, obj_id))

    def undo(self) -> Edit:
        """Take back the latest edit and everything repaired since; every byte is as it was before it.

        Raises:
            InputError: There is nothing to undo.
        """
        return self._back(self._store.undo, "undo")

    def redo(self) -> Edit:
        """Do again what was undone last.

        Raises:
            InputError: There is nothing to redo.
        """
        return self._back(self._store.redo, "redo")

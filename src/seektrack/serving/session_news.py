"""What is told of sessions to who listens: the latest events of each, numbered."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from seektrack.pipeline import PropagatedMask
from seektrack.serving.events import Board

_TOLD = 4096
"""Masks of a propagation held for who listens; who falls further behind is told so, and asks for the rest."""


@dataclass
class Told:
    """What is told of a session to who listens.

    Attributes:
        number: Of the latest event.
        events: ``(number, name, content)``, the latest of them.
    """

    number: int = 0
    events: deque[tuple[int, str, dict[str, Any]]] = field(default_factory=lambda: deque(maxlen=_TOLD))


class News:
    """Events of every session.

    Args:
        board: Wakes who listens.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._told: dict[str, Told] = {}
        self._lock = threading.Lock()

    def tell_mask(self, session_id: str, one: PropagatedMask) -> None:
        """One object on one frame was followed."""
        mask = None if one.mask is None else one.mask.to_coco()
        content = {"frame_index": int(one.frame_index), "obj_id": int(one.obj_id), "mask": mask}
        self.tell(session_id, "mask", content)

    def tell(self, session_id: str, name: str, content: dict[str, Any]) -> None:
        """Tell who listens to a session."""
        with self._lock:
            told = self._told.setdefault(session_id, Told())
            told.number += 1
            told.events.append((told.number, name, content))
        self.wake(session_id)

    def after(self, session_id: str, number: int) -> tuple[list[tuple[int, str, dict[str, Any]]], bool]:
        """What was told after an event, and whether some of it is no longer held."""
        with self._lock:
            told = self._told.get(session_id, Told())
            found = [one for one in told.events if one[0] > number]
            first = told.events[0][0] if told.events else told.number + 1
            return found, number + 1 < first and told.number > number

    def latest(self, session_id: str) -> int:
        """Number of the latest event."""
        with self._lock:
            return self._told.get(session_id, Told()).number

    def forget(self, session_id: str) -> None:
        """Hold no events of a session any more."""
        with self._lock:
            self._told.pop(session_id, None)

    def wake(self, session_id: str) -> None:
        """Have who listens look again."""
        self._board.tell(_topic(session_id))


def _topic(session_id: str) -> str:
    return f"session {session_id}"

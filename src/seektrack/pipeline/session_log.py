"""The log of a session that is still being followed, kept in its file; it goes when the video is followed."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.pipeline.session_checks import reading
from seektrack.pipeline.session_store import SessionStore
from seektrack.tracking.logged import Answer
from seektrack.types import Mask

KEEP_EVERY_S = 3.0
"""Seconds between two states; what was followed since the last is followed again after a kill."""


class FollowLog:
    """Answers of the engine and the state of one of its sessions; see `seektrack.tracking.logged.Log`.

    Args:
        store: The session's file.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        with reading(store.path):
            self._answers = {(session, step): _unpacked(text) for session, step, text in store.steps()}
        kept = store.state()
        self._at = None if kept is None else (kept[0], kept[1])
        self._state = b"" if kept is None else kept[2]
        self._new: dict[tuple[int, int], str] = {}
        self._kept_s = time.monotonic()

    def answer(self, session: int, step: int) -> Answer | None:
        """A logged answer, or None."""
        return self._answers.get((session, step))

    def resumes(self, session: int, step: int) -> bool:
        """Whether the state of this session was kept, before this step."""
        return self._at == (session, step)

    def state(self) -> bytes:
        """That state."""
        return self._state

    def put(self, session: int, step: int, answer: Answer) -> None:
        """Take in an answer; it is kept with the next state."""
        self._new[session, step] = _packed(answer)

    def due(self) -> bool:
        """Whether a state should be kept now."""
        return time.monotonic() - self._kept_s >= KEEP_EVERY_S

    def keep(self, session: int, step: int, state: bytes) -> None:
        """Keep the state of a session before a step, and all answers so far."""
        self._store.log(self._new, session, step, state)
        self._new = {}
        self._kept_s = time.monotonic()


def _packed(answer: Answer) -> str:
    return json.dumps(
        {
            "ids": answer.ids,
            "hw": answer.hw,
            "masks": [m.counts.decode("ascii") for m in answer.kept],
            "scores": _text(answer.scores),
            "pointers": [answer.vectors.shape[1], _text(answer.vectors)],
        },
        separators=(",", ":"),
    )


def _unpacked(text: str) -> Answer:
    held: dict[str, Any] = json.loads(text)
    height, width = (int(v) for v in held["hw"])
    n_values, pointers = held["pointers"]
    return Answer(
        tuple(int(i) for i in held["ids"]),
        tuple(Mask((height, width), str(counts).encode("ascii")) for counts in held["masks"]),
        _array(held["scores"]),
        _array(pointers).reshape(-1, int(n_values)),
        (height, width),
    )


def _text(values: NDArray[np.float32]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def _array(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)

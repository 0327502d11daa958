"""An engine whose answers are logged, so that following can go on where it was killed.

Following is the same for the same answers. What took long, the network's answers, is kept; the rest is done
again from them, up to where the state of the network's session was kept last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import ModelError
from seektrack.grounding import GroundSettings
from seektrack.grounding.ground import ProposalLike
from seektrack.tracking.engine import Image, MasksLike, Sam2Engine, SessionLike
from seektrack.types import Mask, Prompt


@dataclass(frozen=True, eq=False)
class Answer:
    """What a session answered for one frame, as it is logged.

    Attributes:
        ids: Of the objects, in order.
        kept: Their masks.
        scores: float (N,), belief that each is there.
        vectors: float (N, C), their pointers.
        hw: Height and width of the masks.
    """

    ids: tuple[int, ...]
    kept: tuple[Mask, ...]
    scores: NDArray[np.float32]
    vectors: NDArray[np.float32]
    hw: tuple[int, int]

    @classmethod
    def of(cls, answer: MasksLike) -> Answer:
        """The same answer, by value."""
        masks = answer.masks()
        size = (int(masks.shape[1]), int(masks.shape[2]))
        kept = tuple(Mask.from_array(np.ascontiguousarray(m)) for m in masks)
        return cls(tuple(answer.obj_ids), kept, _floats(answer.object_scores), _floats(answer.pointers), size)

    @property
    def obj_ids(self) -> list[int]:
        """Ids of the objects."""
        return list(self.ids)

    @property
    def object_scores(self) -> NDArray[np.float32]:
        """Belief that each object is there."""
        return self.scores

    @property
    def pointers(self) -> NDArray[np.float32]:
        """What the network calls each object by."""
        return self.vectors

    def masks(self) -> NDArray[np.bool_]:
        """Their masks, bool (N, H, W)."""
        return (
            np.stack([m.to_array() for m in self.kept]) if self.kept else np.zeros((0, *self.hw), dtype=bool)
        )


class Log(Protocol):
    """Where answers are kept, by the number of the session and of its step, and one session's state."""

    def answer(self, session: int, step: int) -> Answer | None:
        """A logged answer, or None."""
        ...

    def resumes(self, session: int, step: int) -> bool:
        """Whether the state of this session was kept, before this step."""
        ...

    def state(self) -> bytes:
        """That state."""
        ...

    def put(self, session: int, step: int, answer: Answer) -> None:
        """Take in an answer; it is kept with the next state."""
        ...

    def due(self) -> bool:
        """Whether a state should be kept now."""
        ...

    def keep(self, session: int, step: int, state: bytes) -> None:
        """Keep the state of a session before a step, and all answers so far."""
        ...


@dataclass(frozen=True)
class LoggedEngine:
    """A `Sam2Engine` whose sessions are logged; the same calls in the same order find the log again.

    Attributes:
        engine: The engine.
        log: Where its answers are kept.
    """

    engine: Sam2Engine
    log: Log

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", count())

    def encode(self, image: Image) -> Any:
        """See `Engine.encode`."""
        return self.engine.encode(image)

    def session(self) -> SessionLike:
        """A fresh session, numbered in the order they are made."""
        number: int = next(self._numbers)  # type: ignore[attr-defined]
        return LoggedSession(self.engine, self.log, number)

    def propose(self, features: Any, settings: GroundSettings) -> Sequence[ProposalLike]:
        """See `Engine.propose`."""
        return self.engine.propose(features, settings)


class LoggedSession:
    """A session that answers from the log as far as that goes.

    Args:
        engine: Makes the session itself when the log ends.
        log: Holds answers.
        number: Of this session.
    """

    def __init__(self, engine: Sam2Engine, log: Log, number: int) -> None:
        self._engine, self._log, self._number = engine, log, number
        self._steps = 0
        self._ids: list[int] = []
        known = log.answer(number, 0) is not None or log.resumes(number, 0)
        self._session: SessionLike | None = None if known else engine.session()

    @property
    def obj_ids(self) -> list[int]:
        """Objects being followed, in the order they started."""
        return list(self._ids) if self._session is None else self._session.obj_ids

    def add(self, prompt: Prompt) -> None:
        """See ``VideoSession.add``."""
        if self._session is not None:
            self._session.add(prompt)

    def remove(self, obj_id: int) -> None:
        """See ``VideoSession.remove``."""
        if self._session is None:
            self._ids = [i for i in self._ids if i != obj_id]
        else:
            self._session.remove(obj_id)

    def leave_out(self, obj_id: int) -> None:
        """See ``VideoSession.leave_out``."""
        if self._session is not None:
            self._session.leave_out(obj_id)

    def swap(self, one: int, other: int) -> None:
        """See ``VideoSession.swap``."""
        if self._session is not None:
            self._session.swap(one, other)

    def condition(self, image: Any, frame_index: int) -> MasksLike:
        """See ``VideoSession.condition``; following does not condition ahead."""
        session = self._session or self._engine.session()
        return session.condition(image, frame_index)

    def step(self, image: Any, frame_index: int) -> MasksLike:
        """See ``VideoSession.step``."""
        step, self._steps = self._steps, self._steps + 1
        if self._session is None and self._log.resumes(self._number, step):
            self._session = self._resumed()
        if self._session is None:
            known = self._log.answer(self._number, step)
            if known is None:
                raise LogEndedError
            self._ids = known.obj_ids
            return known
        if step and self._engine.keeps_state and self._log.due():
            self._log.keep(self._number, step, self._engine.state_of(self._session))
        answer = self._session.step(image, frame_index)
        self._log.put(self._number, step, Answer.of(answer))
        return answer

    def _resumed(self) -> SessionLike:
        try:
            return self._engine.resumed(self._log.state())
        except ModelError as error:  # begun by another runtime or precision
            raise LogEndedError from error


class LogEndedError(Exception):
    """The log does not lead to where it says; following begins anew."""


def _floats(values: Any) -> NDArray[np.float32]:
    held = values.float().cpu().numpy() if hasattr(values, "cpu") else np.asarray(values)
    return np.asarray(held, dtype=np.float32)

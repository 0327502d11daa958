"""Where a hidden object has gone: one protocol, answered by the Kalman filter or by a learnt predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from seektrack.geometry import Box
from seektrack.tracking.kalman import KalmanState

if TYPE_CHECKING:
    from seektrack.tracking.memory import TrackMemory

LEARNED = ("lstm", "transformer")
"""Learnt predictors that ship with the package."""


PREDICTORS = ("kalman", *LEARNED)
"""Names :func:`load_predictor` knows; a folder that ``seektrack train trajectory`` wrote is one too."""


@dataclass(frozen=True)
class History:
    """What is asked about objects that were seen before.

    Attributes:
        sightings: Of each object ``(time_s, box)``, in the order they came, at least one.
        time_s: The moment asked for.
        hw: Height and width of the picture, pixels.
    """

    sightings: Sequence[Sequence[tuple[float, Box]]]
    time_s: float
    hw: tuple[int, int]

    @property
    def ahead_s(self) -> list[float]:
        """Seconds since each was last seen; positive in whichever direction time is run through."""
        return [abs(self.time_s - h[-1][0]) for h in self.sightings]

    @property
    def direction(self) -> list[float]:
        """1 where time runs forwards since the last sighting, -1 where backwards."""
        return [1.0 if self.time_s >= h[-1][0] else -1.0 for h in self.sightings]


class Predictor(Protocol):
    """Tells where objects are that cannot be seen."""

    def believe(self, history: History, states: Sequence[KalmanState]) -> list[KalmanState]:
        """Beliefs about hidden objects at one time.

        Args:
            history: When and where each was last seen, and the time that is asked for.
            states: What the Kalman filter believes at that time.

        Returns:
            As many beliefs.
        """
        ...


@dataclass(frozen=True)
class KalmanPredictor:
    """Constant velocity: what the filter believes already."""

    def believe(self, history: History, states: Sequence[KalmanState]) -> list[KalmanState]:
        """The states themselves."""
        return list(states)


def locate(predictor: Predictor, hidden: Sequence[TrackMemory], hw: tuple[int, int]) -> None:
    """Believe of hidden objects what a predictor says, at the time their beliefs stand at.

    Args:
        predictor: It says where they are.
        hidden: What is remembered of them; their beliefs are changed.
        hw: Height and width of the picture, pixels.
    """
    asked = [m for m in hidden if m.sightings and m.time_s != m.sightings[-1][0]]
    if asked:
        history = History([tuple(m.sightings) for m in asked], asked[0].time_s, hw)
        believed = predictor.believe(history, [m.kalman for m in asked])
        for memory, state in zip(asked, believed, strict=True):
            memory.kalman = state

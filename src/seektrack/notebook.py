"""What the nouns can do where other packages are at hand: tables, plots, pictures, detections.

The nouns know nobody. These classes are mixed into them; each method finds the package that does the work by
name, when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

F = TypeVar("F")
"""A frame."""
T = TypeVar("T")
"""A track."""
V = TypeVar("V")
"""What is known of a video."""


def _outputs(name: str) -> Any:
    return importlib.import_module(f"seektrack.outputs.{name}")


class FrameInNotebook:
    """A frame that a notebook shows."""

    def _repr_png_(self) -> bytes:
        png: bytes = _outputs("notebook").frame_png(self)
        return png


class MomentInNotebook(Generic[F]):
    """A moment with its pictures."""

    def frame(self) -> F:
        """The picture it was found by; a notebook shows it.

        Raises:
            VideoError: The video is gone or cannot be read.
        """
        frame: F = _outputs("notebook").key_frame(self)
        return frame

    def clip(self) -> Any:
        """The stretch of the video, which a notebook plays and ``clip().save(path)`` writes."""
        held: Any = self
        return _outputs("notebook").Clip(held.video, held.start_s, held.end_s)


class TrackInNotebook:
    """A track that draws itself."""

    def plot(self, ax: Any = None) -> Any:
        """Draw the path of the centre on matplotlib axes; new ones when None.

        Raises:
            InputError: matplotlib is not installed.
        """
        return _outputs("notebook").plot_track(self, ax)


class TracksInNotebook(Generic[T, V]):
    """Tracks as a table and as detections."""

    def __getitem__(self, index: int) -> T:
        """The track at a place, not of an id."""
        held: Any = self
        track: T = held.tracks[index]
        return track

    def to_dataframe(self) -> Any:
        """A `pandas.DataFrame` with a row an observation; see `seektrack.outputs.to_dataframe`.

        Raises:
            InputError: pandas is not installed.
        """
        return _outputs("dataframes").to_dataframe(self)

    def detections(self, frame_index: int, *, hidden: bool = False) -> Any:
        """What lies on a frame, as `supervision.Detections`; with ``hidden`` also what is predicted.

        Raises:
            InputError: supervision is not installed.
        """
        return _outputs("detections").to_detections(self, frame_index, hidden=hidden)

    @classmethod
    def from_detections(
        cls,
        frames: Iterable[Any] | Mapping[int, Any],
        video: V | str | Path,
        *,
        names: Sequence[str] | Mapping[int, str] | None = None,
        query: str = "",
    ) -> Self:
        """Tracks of `supervision.Detections` with a ``tracker_id``, of each frame from 0 or by frame index.

        Args:
            frames: The detections.
            video: The video they lie in.
            names: Of the classes, where ``data["class_name"]`` does not say.
            query: What was asked for.

        Raises:
            InputError: There is no ``tracker_id``, an id comes twice on a frame, or a value is no number.
        """
        made: Self = _outputs("detections").from_detections(frames, video, names=names, query=query)
        return made

    def link(self, *others: Self, **how: Any) -> list[Self]:
        """This result and others with one id for one object, see `seektrack.tracking.link`.

        Args:
            others: Of other files, cameras or parts of the film.
            how: ``sources``, ``encoder``, ``settings``.
        """
        made: list[Self] = importlib.import_module("seektrack.tracking.link").link([self, *others], **how)
        return made

    def _repr_html_(self) -> str:
        html: str = _outputs("notebook").tracks_html(self)
        return html

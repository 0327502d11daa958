"""Stretches of video as a temporal encoder sees them, kept beside the frames.

The stretches of one video are written in one step: it has all of them or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, LibraryMismatchError
from seektrack.library.backend import LibraryStore
from seektrack.library.beside import ClipModel, ClipRows
from seektrack.library.rows import Where

__all__ = ["ClipModel", "ClipRows", "ClipShelf", "Stretch"]


class Stretch(Protocol):
    """What is stored: a stretch of video and its embedding, as a temporal encoder gives it."""

    @property
    def start_s(self) -> float: ...  # noqa: D102
    @property
    def end_s(self) -> float: ...  # noqa: D102
    @property
    def vector(self) -> NDArray[np.floating]: ...  # noqa: D102


class ClipShelf:
    """The stretches of a library.

    Args:
        store: The library, open.
    """

    def __init__(self, store: LibraryStore) -> None:
        self._store = store

    def model(self) -> ClipModel | None:
        """What made the stretches; None when the library keeps none."""
        return self._store.stretch_model()

    def use(self, model: ClipModel) -> None:
        """Keep stretches of this encoder from now on; those of another are dropped.

        Raises:
            LibraryError: The library cannot be written.
        """
        if self.model() != model:
            self._store.keep_stretches_of(model)

    def forget(self) -> None:
        """Drop every stretch, and that there ever were any.

        Raises:
            LibraryError: The library cannot be written.
        """
        self._store.keep_stretches_of(None)

    def settings_of(self, path: str | Path) -> str | None:
        """How the stretches of a video were cut; None when it has none."""
        return self._store.stretch_settings(path)

    def put(self, path: str | Path, stretches: Sequence[Stretch], settings: str) -> None:
        """Store all stretches of a video that is in the library, in place of older ones.

        Raises:
            InputError: The video is not in the library, which keeps no stretches, or a vector does not fit.
            LibraryError: The library cannot be written.
        """
        model = self.model()
        if model is None:
            raise InputError("the library keeps no stretches", hint="index the video first")
        rows = [_checked(one, model) for one in stretches]
        if not self._store.put_stretches(path, rows, settings):
            raise InputError(f"the library has no video {str(path)!r}", hint="index the video first")

    def rows(self, where: Where | None = None) -> ClipRows:
        """Stretches of finished videos that touch the window of a filter; kinds do not matter."""
        return self._store.stretches(where)

    def require(self, *, name: str, fingerprint: str) -> None:
        """Check that texts of a temporal encoder can be compared with the stretches here.

        Raises:
            LibraryMismatchError: They cannot; the hint is the way out.
        """
        model = self.model()
        if model is None or model.fingerprint == fingerprint:
            return
        raise LibraryMismatchError(
            f"the stretches of the library {str(self._store.path)!r} were made by the temporal encoder "
            f"{model.name!r} ({model.fingerprint[:8]}), not by {name!r} ({fingerprint[:8]})",
            hint="make them anew with seektrack index --temporal, or search with --no-motion",
        )


def _checked(one: Stretch, model: ClipModel) -> tuple[float, float, bytes]:
    vector = np.asarray(one.vector, dtype=np.float32)
    if vector.shape != (model.dim,) or not np.isfinite(vector).all():
        raise InputError(
            f"a stretch of this library has {model.dim} finite numbers, got shape {vector.shape}",
            hint=f"embed with {model.name}",
        )
    return float(one.start_s), float(one.end_s), vector.astype("<f2").tobytes()

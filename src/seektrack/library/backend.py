"""What a library needs of its storage: one class with two back ends behind it.

The embedded back end keeps a folder with SQLite and FAISS; the LanceDB one keeps tables in a folder or on
object storage. `LibraryStore.open` and `LibraryStore.open_or_create` choose by where the library lies.

Long, for all that a new back end has to fill stands in this one place.
"""

from __future__ import annotations

import os
import shlex
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seektrack.closing import Closing
from seektrack.errors import InputError, LibraryError, LibraryMismatchError
from seektrack.library.address import Backend, backend_of, place_of
from seektrack.library.beside import ClipModel, ClipRows, Extra
from seektrack.library.frame_table import FrameTable
from seektrack.library.identity import is_there, library_key
from seektrack.library.index_settings import IndexManifest, IndexSettings
from seektrack.library.rows import LibraryStats, Maker, Rows, VideoRecord, Where
from seektrack.library.turns import KIND, TurnTimes, turns_of
from seektrack.library.whole import WholeVideo
from seektrack.library.writer import VideoWriterHandle
from seektrack.types import VideoInfo

TURNS_KEPT = 2000
"""Videos whose turns of picture are kept in memory, at least that many once more."""
VideoStatus = Literal["new", "partial", "changed", "done"]
_HOMES = {
    "embedded": "seektrack.library.embedded:EmbeddedStore",
    "lance": "seektrack.library.lance.store:LanceStore",
}
"""Where each back end lives; they know this module, not the other way round."""


class LibraryStore(Closing):
    """A library, open. Use `open`, `create` or `open_or_create`.

    Several processes may read and write at once; a video is served from the moment its indexing finished, and
    what was served of its path until then goes in the same step. One store may be used from several threads.

    Attributes:
        path: The folder, or the address.
        readonly: Whether writing is refused.
        model, fingerprint, dim: What the vectors were made with.
        asked: The encoder and segmenter as ``--model`` named them; empty when that was not noted.
    """

    path: Path | str
    readonly: bool
    model: str
    fingerprint: str
    dim: int
    asked: str
    _making: Maker | None = None
    _turned: tuple[str, dict[str, TurnTimes]] = ("", {})

    @classmethod
    def create(
        cls, path: str | Path, *, model: str, fingerprint: str, dim: int, backend: Backend | None = None
    ) -> LibraryStore:
        """Make a new library in a new or empty folder, or at a new address.

        Args:
            path: The folder, or ``s3://bucket/name`` and the like.
            model: Name of the encoder, for people.
            fingerprint: `Encoder.fingerprint`, for the machine.
            dim: Length of an embedding.
            backend: ``"embedded"`` or ``"lance"``; by the place when None.

        Raises:
            LibraryError: A library or other files are there, or the place cannot be written.
        """
        return _backend(path, backend).create(path, model=model, fingerprint=fingerprint, dim=dim)

    @classmethod
    def open(
        cls, path: str | Path, *, readonly: bool = False, backend: Backend | None = None
    ) -> LibraryStore:
        """Open a library.

        Raises:
            LibraryError: There is none, it is damaged, of a later version, cannot be written, or its back end
                is not installed.
        """
        return _backend(path, backend).open(path, readonly=readonly)

    @classmethod
    def open_or_create(
        cls, path: str | Path, *, model: str, fingerprint: str, dim: int, backend: Backend | None = None
    ) -> LibraryStore:
        """Open a library for writing, or make it; safe when two processes do it at once.

        Raises:
            LibraryMismatchError: It was made by another model.
            LibraryError: As `create` and `open`.
        """
        return _backend(path, backend).open_or_create(path, model=model, fingerprint=fingerprint, dim=dim)

    @staticmethod
    def is_library(path: str | Path) -> bool:
        """Whether a library lies there; `open` tells whether it can be used."""
        return _backend(path, None).is_library(path)

    # What it says of itself.

    @property
    def making(self) -> Maker:
        """What vectors are written with: another than serves while a library is made anew."""
        return self._making or Maker(self.model, self.fingerprint, self.dim)

    @abstractmethod
    def note_asked(self, name: str) -> None:
        """Keep what ``--model`` named, for commands that name none."""

    def require(self, *, model: str, fingerprint: str | None) -> None:
        """Check that vectors of an encoder can be compared with those here.

        Args:
            model: Its name.
            fingerprint: Of its contents; None when it is not on this machine and only its name is known.

        Raises:
            LibraryMismatchError: They cannot; the hint is the command that indexes again.
        """
        if fingerprint == self.fingerprint or (fingerprint is None and model == self.model):
            return
        paths = [video.path for video in self.videos()]
        shown = (
            [os.path.commonpath(paths)] if len(paths) > 3 and not any("://" in p for p in paths) else paths
        )
        command = shlex.join(
            [
                "seektrack",
                "index",
                *(shown or ["VIDEO"]),
                "--library",
                str(self.path),
                "--model",
                model,
                "--reindex",
            ]
        )
        raise LibraryMismatchError(
            f"the library {str(self.path)!r} was made by the model {self.model!r} ({self.fingerprint[:8]}), "
            f"not by {model!r}" + (f" ({fingerprint[:8]})" if fingerprint else ""),
            hint=f"use --model {shlex.quote(self.model)}, or index again: {command}",
        )

    @abstractmethod
    def generation(self) -> str:
        """A name for the state of what is served; another one, once a video came, changed or went."""

    @abstractmethod
    def stats(self) -> LibraryStats:
        """The library in numbers."""

    @abstractmethod
    def verify(self) -> None:
        """Read everything and compare it with its checksums.

        Raises:
            LibraryError: Something is not what was written.
        """

    # Videos.

    @abstractmethod
    def videos(self) -> list[VideoRecord]:
        """Every video, finished or not, by path."""

    @abstractmethod
    def served(self) -> Mapping[int, str]:
        """Path of each video that is served by its id; read and checked once a state of the library.

        Raises:
            LibraryError: A row is not what was written.
        """

    @abstractmethod
    def durations(self) -> dict[str, float | None]:
        """Seconds of each finished video by path, None where its container does not say."""

    @abstractmethod
    def count(self) -> int:
        """Vectors that are served."""

    def holds(self, video: str) -> bool:
        """Whether a video is in the library, by a path as given or as the library knows it."""
        ids = self._ids_of(video, missing=True)
        return ids is None or len(ids) > 0

    def _ids_of(self, video: str | Path | None, *, missing: bool) -> NDArray[np.int64] | None:
        """Ids of the served videos to look at; None for every one."""
        served = self.served()
        key = None if video is None else library_key(video)
        kept = [i for i, path in served.items() if key in (None, path) and (missing or is_there(path))]
        return None if len(kept) == len(served) else np.array(sorted(kept), dtype=np.int64)

    def _select(self, rows: Rows, where: Where | None) -> NDArray[np.int64] | None:
        """Positions a filter leaves; None where it leaves all. Videos whose file is gone are left out."""
        asked = where or Where()
        ids = self._ids_of(asked.video, missing=asked.missing)
        if ids is None and replace(asked, per_video=None) == Where(missing=asked.missing):
            return None
        return rows.positions(asked, ids)

    # Vectors.

    @abstractmethod
    def vectors(self, *, where: Where | None = None) -> tuple[NDArray[np.float16], Rows]:
        """Vectors float16 (N, D) and their metadata under a filter, of finished videos only.

        The unfiltered answer is not to be written to.

        Raises:
            LibraryError: What is stored is not what was written.
        """

    @abstractmethod
    def vectors_by_id(self, ids: Sequence[int] | NDArray[np.int64]) -> tuple[NDArray[np.float16], Rows]:
        """Vectors and metadata of some rows, in order of video and frame; unknown ids are left out."""

    def frames(self) -> FrameTable:
        """Every frame looked at in finished videos, in order of video and frame."""
        return self.vectors(where=Where(missing=True))[1].frames

    @abstractmethod
    def timeline(self, path: str | Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Frame indices and times in seconds of every frame looked at in a finished video, in order."""

    @abstractmethod
    def nearest(
        self, query: NDArray[np.float32], k: int, *, where: Where | None = None, exact: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and cosines of the ``k`` rows nearest to a unit vector (D,), best first.

        A filtered search weighs exactly what the filter leaves; one over a large library uses its index,
        which may be approximate (see `index_manifest`) unless ``exact`` is asked for.

        Raises:
            InputError: The query has another shape.
        """

    def nearest_each(
        self, queries: NDArray[np.float32], counts: Sequence[int], *, where: Where | None = None
    ) -> list[NDArray[np.int64]]:
        """Ids of the rows nearest to each of unit vectors (Q, D), so many of each, best first."""
        each = zip(queries, counts, strict=True)
        return [self.nearest(query, k, where=where)[0] for query, k in each]

    def _check_query(self, query: NDArray[np.float32]) -> None:
        if query.shape != (self.dim,):
            raise InputError(f"a query of this library has shape ({self.dim},), got {query.shape}")

    @abstractmethod
    def index_manifest(self) -> IndexManifest | None:
        """How a large library is searched and the recall measured; None while it has no index."""

    @abstractmethod
    def build_index(self, settings: IndexSettings | None = None) -> IndexManifest:
        """Build the search index now, and keep to these settings whenever it has to be built again.

        Without settings it is built by those the library keeps to.

        Raises:
            LibraryError: The library is open read-only.
        """

    @abstractmethod
    def choose_index(self, settings: IndexSettings) -> IndexManifest | None:
        """Keep to these settings from now on; a library that is searched through an index gets it now.

        Returns:
            What the index is; None for a library so small that every search scans it.

        Raises:
            LibraryError: The library is open read-only.
        """

    # Indexing.

    @abstractmethod
    def status(self, path: str | Path, *, settings: str = "") -> VideoStatus:
        """Whether a video is indexed: ``new``, ``partial`` (can be resumed), ``changed`` or ``done``.

        Args:
            path: The video.
            settings: What it would be sampled and cut with; other settings count as a change.
        """

    @abstractmethod
    def recognise(self, path: str | Path) -> str | None:
        """Give a video that the library does not know the rows of one that is gone and was the same file.

        Returns:
            Where it was; None when it is no moved or renamed video.

        Raises:
            VideoError: It cannot be read.
            LibraryError: The library cannot be written.
        """

    @abstractmethod
    def begin_video(
        self, path: str | Path, info: VideoInfo, *, settings: str = "", restart: bool = False
    ) -> VideoWriterHandle:
        """Start or resume indexing a video.

        A part indexed before, of the same file with the same settings, is kept and the handle's
        ``last_frame_index`` says where to go on. What is served of the path stays until the handle finishes.

        Args:
            path: The video.
            info: What is known of it.
            settings: What it is sampled and cut with.
            restart: Drop an unfinished part too.

        Raises:
            LibraryError: Another process is indexing it right now, or the library cannot be written.
        """

    @abstractmethod
    def remove(self, path: str | Path) -> bool:
        """Forget a video; False when it was not there."""

    def prune(self) -> list[str]:
        """Forget every video whose file is gone; their paths."""
        gone = [video.path for video in self.videos() if not video.available]
        return [path for path in gone if self.remove(path)]

    def tidy(self) -> None:
        """Do what is best done once after much was written, such as building an index that is due."""
        return

    # Another model.

    @abstractmethod
    def make_with(self, maker: Maker) -> None:
        """Write vectors of this encoder from now on.

        Those of another than the library's are kept aside, and what is served stays until `switch`. What was
        kept aside of a third encoder is dropped.

        Raises:
            LibraryError: The library cannot be written.
        """

    @abstractmethod
    def lacking(self) -> list[str]:
        """Videos that are served and that the encoder being switched to has not finished, by path."""

    @abstractmethod
    def switch(self) -> None:
        """Serve what `make_with` wrote, in place of all that was served, in one step.

        Raises:
            LibraryError: A video that is served has no successor yet, or the library cannot be written.
        """

    # What lies beside the vectors of a video.

    @abstractmethod
    def extra(self, path: str | Path, kind: str) -> Extra | None:
        """Numbers of a kind kept of a served video; None where there are none.

        Raises:
            LibraryError: They are not what was written.
        """

    @abstractmethod
    def extras(self, kind: str) -> Iterator[tuple[str, Extra]]:
        """Numbers of a kind of every served video that has some, with its path.

        Raises:
            LibraryError: They are not what was written.
        """

    @abstractmethod
    def put_extra(self, path: str | Path, kind: str, numbers: Mapping[int, float], *, note: str = "") -> bool:
        """Keep numbers of a finished video in place of older ones; False where the library has no such video.

        Raises:
            LibraryError: The library cannot be written.
        """

    @abstractmethod
    def extras_state(self, kind: str) -> object:
        """A name for the state of the numbers of a kind; another one, once some may have changed."""

    def turns(self, video: str) -> TurnTimes:
        """When the picture of each frame of a served video began; empty where that was not stored.

        Raises:
            LibraryError: It is not what was written.
        """
        return self.turns_by_video([video])[0]

    def turns_by_video(self, videos: Sequence[str]) -> list[TurnTimes]:
        """`turns` of several videos; those read last are kept until the library changes."""
        generation = self.generation()
        kept = self._turned[1] if self._turned[0] == generation else {}
        found = {}
        for video in videos:
            found[video] = kept[video] if video in kept else turns_of(self.extra(video, KIND))
        self._turned = (generation, {**kept, **found} if len(kept) < TURNS_KEPT else found)
        return [found[video] for video in videos]

    @abstractmethod
    def stretch_model(self) -> ClipModel | None:
        """The temporal encoder that made the stretches; None when the library keeps none."""

    @abstractmethod
    def keep_stretches_of(self, model: ClipModel | None) -> None:
        """Keep stretches of this encoder from now on, none when None; those of another are dropped.

        Raises:
            LibraryError: The library cannot be written.
        """

    @abstractmethod
    def stretch_settings(self, path: str | Path) -> str | None:
        """How the stretches of a served video were cut; None when it has none."""

    @abstractmethod
    def put_stretches(
        self, path: str | Path, rows: Sequence[tuple[float, float, bytes]], settings: str
    ) -> bool:
        """Keep all stretches of a video, as start, end and vector, in place of older ones.

        Returns:
            False where the library has no such video.

        Raises:
            LibraryError: The library cannot be written.
        """

    @abstractmethod
    def stretches(self, where: Where | None = None) -> ClipRows:
        """Stretches of finished videos that touch the window of a filter; kinds do not matter.

        Raises:
            LibraryError: They are not what was written.
        """

    # Whole videos, from one library into another.

    @abstractmethod
    def same(self, video: WholeVideo) -> bool:
        """Whether the library serves a video of this path made of the same file in the same way."""

    @abstractmethod
    def give(self, paths: Iterable[str], *, stretches: bool) -> Iterator[WholeVideo]:
        """Everything known of some served videos, one by one; pictures are read when they are asked for.

        Args:
            paths: As the library knows them.
            stretches: With their stretches.

        Raises:
            LibraryError: One is not there any more, or something is not what was written.
        """

    @abstractmethod
    def take(self, video: WholeVideo) -> int:
        """Serve a video of another library, in one step, in place of what is served of its path.

        Returns:
            Pictures written.

        Raises:
            LibraryError: The library cannot be written, or what was given is not whole.
        """

    # Arrays that are expensive to make.

    @abstractmethod
    def cached_array(self, key: str) -> NDArray[np.float32] | None:
        """An array kept beside the library, or None."""

    @abstractmethod
    def keep_array(self, key: str, array: NDArray[np.float32]) -> None:
        """Keep an array that is expensive to make; does nothing where it cannot be written."""

    @abstractmethod
    def close(self) -> None:
        """Close; a store that is closed twice does not mind."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, model={self.model!r})"


def _backend(path: str | Path, backend: Backend | None) -> type[LibraryStore]:
    """The class of a back end, by name or by where the library lies."""
    module, _, name = _HOMES[backend_of(path, backend)].partition(":")
    try:
        found: type[LibraryStore] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name not in ("pyarrow", "lancedb"):
            raise
        raise LibraryError(
            f"the library {str(place_of(path))!r} needs LanceDB, which is not installed",
            hint="pip install 'seektrack[lance]'",
        ) from error
    return found

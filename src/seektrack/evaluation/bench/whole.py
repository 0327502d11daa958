"""The whole way of one short film by each runtime: indexed, asked, and followed by its name."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import SeekTrackError
from seektrack.evaluation.bench.rows import BenchSettings, Row, held_mb
from seektrack.evaluation.demo import QUERIES, demo_footage
from seektrack.pipeline import Library, track_objects
from seektrack.pipeline.models import Models
from seektrack.types import Progress
from seektrack.world import vocabulary

STAGES = ("index", "ask", "track")


def whole_rows(settings: BenchSettings, *, progress: Progress | None = None) -> Iterator[Row]:
    """Measure frames indexed a second, a question put to a library, and frames a second from text to tracks.

    All by their defaults; the film is indexed and followed once, so p95 is of questions alone. Networks are
    loaded before the clock starts; decoding and writing count. Of tracks it is told how alike they are to the
    first runtime's.

    Args:
        settings: What is measured.
        progress: Called with ``(done, total, stage)``.
    """
    first: list[NDArray[np.bool_]] | None = None
    frames = _frames(settings)
    with tempfile.TemporaryDirectory() as temporary:
        (film,) = demo_footage(Path(temporary) / "film", scenes=1, n_frames=frames)
        for done, runtime in enumerate(settings.runtimes):
            if progress:
                progress(done, len(settings.runtimes), "indexing, asking and tracking a film")
            device = settings.device or runtime.partition(":")[2] or "cpu"
            row = Row(stage="index", runtime=runtime, device=device)
            try:
                models = Models(settings.model, device=settings.device, runtime=runtime)
                row = replace(row, resolution=models.encoder.image_size)
                rows = list(_asked(settings, row, film.path, Path(temporary) / f"library-{done}"))
                shown, found = _followed(
                    replace(row, resolution=models.sam2.resolution), film.path, models, frames
                )
            except SeekTrackError as error:
                yield from (replace(row, stage=stage, why=str(error)) for stage in STAGES)
                continue
            first = first or found
            yield from (*rows, shown if shown.why else replace(shown, agreement=_alike(found, first)))
    if progress:
        progress(len(settings.runtimes), len(settings.runtimes), "indexing, asking and tracking a film")


def _frames(settings: BenchSettings) -> int:
    """Of the film."""
    return max(12, 3 * settings.rounds)


def _asked(settings: BenchSettings, row: Row, film: Path, folder: Path) -> Iterator[Row]:
    with Library(folder, model=settings.model, device=settings.device, runtime=row.runtime) as library:
        _ = library.models.encoder, library.models.sam2  # loaded before the clock starts
        began = time.perf_counter()
        library.index(film)
        seconds = [time.perf_counter() - began]
        yield replace(replace(row, memory_mb=held_mb()).timed(seconds, each=_frames(settings)), p95_ms=None)
        library.search("a question")
        seconds = []
        for label in vocabulary()["labels"][: max(4, settings.rounds)]:
            began = time.perf_counter()
            library.search(f"a {label}")
            seconds.append(time.perf_counter() - began)
        yield replace(row, stage="ask", resolution=0, memory_mb=held_mb()).timed(seconds)


def _followed(row: Row, film: Path, models: Models, frames: int) -> tuple[Row, list[NDArray[np.bool_]]]:
    """A row, and what all tracks cover, a mask a frame."""
    began = time.perf_counter()
    tracks = track_objects(film, QUERIES[0], model=models)
    row = replace(row, stage="track", objects=len(tracks.tracks), memory_mb=held_mb())
    seconds = time.perf_counter() - began
    if not tracks.tracks:
        row = replace(row, why=f"{QUERIES[0]} was not found in the film")
    covered = [np.zeros((tracks.video.height, tracks.video.width), np.bool_) for _ in range(frames)]
    for track in tracks:
        for seen in track.observations:
            if seen.mask is not None:
                covered[seen.frame_index] |= seen.mask.to_array()
    return replace(row.timed([seconds], each=frames), p95_ms=None), covered


def _alike(found: list[NDArray[np.bool_]], first: list[NDArray[np.bool_]]) -> float:
    """Mean IoU over frames."""
    pairs = [(a & b, a | b) for a, b in zip(found, first, strict=True)]
    return round(float(np.mean([b.sum() / e.sum() if e.any() else 1.0 for b, e in pairs])), 4)

"""Questions and pictures through the encoder, and a search from the shell."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.errors import SeekTrackError
from seektrack.evaluation.bench.rows import BenchSettings, Row, held_mb
from seektrack.evaluation.bench.scene import picture
from seektrack.pipeline.models import Models
from seektrack.types import Progress

_BATCH = 8
_COLD = 3
"""Searches from the shell, of which the median counts."""


def search_rows(
    settings: BenchSettings, *, cold: bool = True, progress: Progress | None = None
) -> Iterator[Row]:
    """Measure the latency of a question, pictures a second, and a search from the shell.

    Args:
        settings: What is measured.
        cold: Whether a library is made and searched from the shell.
        progress: Called with ``(done, total, stage)``.
    """
    first: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    for done, runtime in enumerate(settings.runtimes):
        if progress:
            progress(done, len(settings.runtimes), "asking")
        row = Row(stage="text", runtime=runtime, device=settings.device or runtime.partition(":")[2] or "cpu")
        try:
            models = Models(settings.model, device=settings.device, runtime=runtime)
            encoder = models.encoder
        except SeekTrackError as error:
            for stage in ("text", "pictures", *(["cold"] if cold else [])):
                yield replace(row, stage=stage, why=str(error))
            continue
        texts, seen, vectors = (
            _texts(encoder, settings.rounds),
            _pictures(encoder, settings.rounds),
            _both(encoder),
        )
        first = first or vectors
        near = round(min(float((a * b).sum(1).min()) for a, b in zip(first, vectors, strict=True)), 6)
        row = replace(row, memory_mb=held_mb(), agreement=near)
        yield row.timed(texts)
        yield replace(row, stage="pictures", resolution=encoder.image_size).timed(seen, each=_BATCH)
        if cold:
            yield _cold(settings, runtime)
    if progress:
        progress(len(settings.runtimes), len(settings.runtimes), "asking")


def _texts(encoder: Encoder, rounds: int) -> list[float]:
    encoder.embed_texts(["a question"])
    return [_seconds(partial(encoder.embed_texts, [f"a red car number {i}"])) for i in range(rounds)]


def _pictures(encoder: Encoder, rounds: int) -> list[float]:
    images = [picture(i, 8) for i in range(_BATCH)]
    encoder.embed_images(images)
    return [_seconds(partial(encoder.embed_images, images)) for _ in range(max(2, rounds // 2))]


def _both(encoder: Encoder) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    texts: Sequence[str] = ("a red car", "two dogs", "ein blaues Boot")
    return encoder.embed_texts(texts), encoder.embed_images([picture(i, 4) for i in range(3)])


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cold(settings: BenchSettings, runtime: str) -> Row:
    """Searches of a library of one frame, each a process of its own."""
    import cv2

    from seektrack.pipeline import Library

    row = Row(stage="cold", runtime=runtime, device=settings.device or "cpu")
    with tempfile.TemporaryDirectory() as temporary:
        film, library = Path(temporary) / "film", Path(temporary) / "library"
        film.mkdir()
        cv2.imwrite(str(film / "0.png"), picture(0, 4))
        with Library(library, model=settings.model, device=settings.device, runtime=runtime) as opened:
            opened.index(film, regions="none")
        asked = ["search", "a red car", "-l", str(library), "--hits", "--min-confidence", "0", "--json"]
        command = [sys.executable, "-m", "seektrack", *asked, "--runtime", runtime]
        seconds = []
        for _ in range(_COLD):
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds.append(time.perf_counter() - began)
            if done.returncode:
                return replace(
                    row, why=done.stderr.strip().splitlines()[-1][:200] if done.stderr else "it failed"
                )
    return row.timed(seconds)

"""Measuring what an encoder knows, once it is trained; written beside its weights.

For any encoder that is a folder: the pocket ones from the world they learnt, a fine-tuned one from the
pictures it was tuned on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Domain, Encoder, embed_and_describe
from seektrack.errors import InputError
from seektrack.types import Progress
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

Image = NDArray[np.uint8]
HELD_OUT = 0.25
"""Share of a folder's pictures that set the edge."""
FRAMES_OF_A_FILM = 12
_AT_ONCE = 16
_SMALLEST = 16
"""Pixels of the shorter side of a picture that is looked at."""
_QUALITIES = (0, 60, 80, 95)
"""JPEG qualities drawn pictures are seen at, 0 being untouched, as footage is compressed."""
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Measured:
    """What was written.

    Attributes:
        domain: Statistics of what the encoder was shown.
        inside: Share of the held-out pictures inside.
        unlike_inside: Share of the pictures it was not shown that count as inside all the same, measured on
            a quarter of them that the statistics were made without; None without such pictures.
    """

    domain: Domain
    inside: float
    unlike_inside: float | None


def measure(
    encoder: Encoder,
    folder: str | Path,
    *,
    shown: Iterable[Image],
    held_out: Iterable[Image] | None = None,
    unlike: Iterable[Image] = (),
    about: str = "",
    progress: Progress | None = None,
) -> Measured:
    """Measure an encoder's domain and write it beside its weights.

    Args:
        encoder: Loaded from ``folder``.
        folder: Its checkpoint.
        shown: RGB uint8 (H, W, 3) whole pictures of the kinds it was trained with.
        held_out: Others of the same kinds; a quarter of ``shown`` when None.
        unlike: Pictures it was not shown the like of; without them the domain is wider than need be.
        about: What the pictures were, for people.
        progress: Called with ``(done, 0, stage)`` while they are looked at.

    Raises:
        InputError: Too few pictures.
        OutputError: The folder cannot be written.
    """
    how: dict[str, Any] = {"progress": progress}
    inside = describe(encoder, shown, stage="what it was shown", **how)
    held = None if held_out is None else describe(encoder, held_out, stage="held out", **how)
    if held is None:
        inside, held = _parted(inside)
    away, tried = _parted(describe(encoder, unlike, stage="what it was not shown", **how))
    domain = Domain.fit(inside, held, unlike=away, weights=encoder.fingerprint, about=about)
    kept = float((domain.distance(held) <= 1).mean())
    foreign = float((domain.distance(tried) <= 1).mean()) if len(tried) else None
    if len(tried):  # what is kept is made with all of them
        every = np.concatenate([away, tried])
        domain = Domain.fit(inside, held, unlike=every, weights=encoder.fingerprint, about=about)
    domain.save(folder)
    return Measured(domain, kept, foreign)


def describe(
    encoder: Encoder, images: Iterable[Image], *, progress: Progress | None = None, stage: str = ""
) -> NDArray[np.float32]:
    """Features (N, F) of pictures, as they come.

    Args:
        encoder: Looks at them.
        images: RGB uint8 (H, W, 3), of any sizes.
        progress: Called with ``(done, 0, stage)``, as nobody knows how many there are.
        stage: What they are.
    """
    rows, done = [np.zeros((0, 0), dtype=np.float32)], 0
    for some in _batches(images):
        rows.append(embed_and_describe(encoder, some)[1])
        done += len(some)
        if progress:
            progress(done, 0, stage)
    if progress:
        progress(done, done, stage)
    return np.concatenate(rows[1:]) if len(rows) > 1 else rows[0]


def drawn(style: str, split: Split, count: int, *, start: int = 0) -> Iterator[Image]:
    """Frames of the procedural world, one a scene, each as a camera's file would hold it.

    Args:
        style: ``plain``, ``rich`` or ``scan``.
        split: Whose seeds.
        count: How many.
        start: Where in the seeds to begin.
    """
    import cv2

    rng = np.random.default_rng(start)
    for seed in seeds(split, count, start=start):
        settings = SceneSettings(
            n_frames=1,
            things=(0, 2),
            style=style,
            street_only=style == "plain" and rng.random() < 0.2,
        )
        image = render(sample_scene(seed, settings)).frames[0]
        quality = int(rng.choice(_QUALITIES))
        if quality:
            packed = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[:, :, ::-1]
        yield np.ascontiguousarray(image, dtype=np.uint8)


def pictures_in(paths: Sequence[str | Path]) -> Iterator[Image]:
    """Every picture under some files and folders, and some frames of every film, RGB uint8 (H, W, 3).

    Raises:
        InputError: A path is missing, or there is no picture and no film under them.
        VideoError: A film cannot be read.
    """
    from seektrack.video import find_videos, open_video

    found = False
    for given in map(Path, paths):
        if not given.exists():
            raise InputError(f"there is no {str(given)!r}", hint="name folders of pictures or films")
        files = sorted(p for p in given.rglob("*") if p.is_file()) if given.is_dir() else [given]
        # Of a folder only what is a video by its name is opened; a file named outright is one by that.
        others = [given] if given.is_dir() or given.suffix.lower() not in _SUFFIXES else []
        stills = [p for p in files if p.suffix.lower() in _SUFFIXES]
        for path in stills:
            still = _still(path, named=path == given)
            if still is not None:
                found = True
                yield still
        for path in find_videos(others, on_error=lambda _path, _error: None) if others else []:
            if path.is_dir() and stills:
                continue  # pictures, which were looked at
            with open_video(path) as source:
                total = source.info.n_frames or 240
                wanted = set(np.linspace(0, total - 1, FRAMES_OF_A_FILM).astype(int).tolist())
                for seen in source.pictures():
                    if seen.index in wanted:
                        found = True
                        yield seen.rgb()
                    if seen.index >= max(wanted):
                        break
    if not found:
        raise InputError(f"no pictures under {', '.join(map(str, paths))}", hint="name folders of pictures")


def _still(path: Path, *, named: bool) -> Image | None:
    """A picture; None of one too small, or one in a folder that cannot be read."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as picture:
            small = min(picture.size) < _SMALLEST
            return None if small else np.asarray(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError) as error:
        if named:
            raise InputError(f"cannot read the picture {path}: {error}", hint="is it damaged?") from error
        return None


def _batches(images: Iterable[Image]) -> Iterator[list[Image]]:
    coming = iter(images)
    while some := list(itertools.islice(coming, _AT_ONCE)):
        yield some


def _parted(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Three quarters and a quarter, evenly spread."""
    every = round(1 / HELD_OUT)
    held = np.arange(len(features)) % every == every - 1
    return features[~held], features[held]

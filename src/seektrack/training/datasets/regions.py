"""Photographs that people cut into regions: ``ID.jpg`` with ``ID.0.png``, ``ID.1.png``… beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.training.datasets.base import Dataset
from seektrack.training.datasets.files import require_folder
from seektrack.video.labels import read_labels
from seektrack.video.stills import read_image

PICTURES = (".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class RegionPicture:
    """A picture and how people cut it into regions.

    Attributes:
        key: Its name in the data set.
        image: uint8 (H, W, 3), RGB.
        maps: One a person, uint8 (H, W); the value of a pixel is its region's number, 0 belongs to none.
        folder: Where it lies, if it is a file.
    """

    key: str
    image: NDArray[np.uint8]
    maps: tuple[NDArray[np.uint8], ...]
    folder: Path | None = None


def region_pictures(roots: str | Path | Sequence[str | Path]) -> Dataset[RegionPicture]:
    """Photographs with maps of their regions: ``ID.jpg``, and ``ID.K.png`` a person.

    Args:
        roots: A folder of such pictures, or several, put together; a folder that holds none itself stands
            for the folders in it.

    Raises:
        InputError: A folder is missing or holds no such picture. Reading one: a map is malformed or of
            another size than its picture.
    """
    found: dict[str, tuple[Path, tuple[Path, ...]]] = {}
    for root in [roots] if isinstance(roots, str | Path) else roots:
        base = require_folder(Path(root).expanduser(), what="folder of pictures")
        here = _pictures_in(base)
        if not here:
            here = [one for inner in sorted(base.iterdir()) if inner.is_dir() for one in _pictures_in(inner)]
        if not here:
            raise InputError(
                f"no picture with regions in {base}",
                hint="a picture is ID.jpg, and what each person drew is ID.0.png, ID.1.png and on",
            )
        found |= {str(picture.with_suffix("")): (picture, maps) for picture, maps in here}
    return Dataset(list(found), partial(_read, found))


def holds_regions(folder: Path) -> bool:
    """Whether a folder holds pictures with maps of regions."""
    return bool(_pictures_in(folder))


def _pictures_in(folder: Path) -> list[tuple[Path, tuple[Path, ...]]]:
    maps: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("*.*.png")):
        stem, _, person = file.stem.rpartition(".")
        if stem and person.isdigit():
            maps.setdefault(stem, []).append(file)
    pictures = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in PICTURES]
    return [(file, tuple(maps[file.stem])) for file in pictures if file.stem in maps]


def _read(files: dict[str, tuple[Path, tuple[Path, ...]]], key: str) -> RegionPicture:
    picture, drawn = files[key]
    image = read_image(picture)
    maps = tuple(read_labels(file) for file in drawn)
    for file, labels in zip(drawn, maps, strict=True):
        if labels.shape != image.shape[:2]:
            raise InputError(
                f"{file} is {labels.shape[1]}x{labels.shape[0]}, its picture is "
                f"{image.shape[1]}x{image.shape[0]}",
                hint="pair each map with the picture it was drawn on",
            )
    return RegionPicture(picture.stem, image, maps, picture.parent)

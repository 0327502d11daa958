"""Small named photographs laid out as mosaics: CIFAR-10, CIFAR-100 and Tiny ImageNet, or one's own.

A folder holds data sets, a data set ``train/`` and ``test/``, each one picture a class (``dog.jpg``): square
tiles of 32 pixels in rows, filled row by row. ``counts.json`` says how many are filled, by
``"cifar10/train/dog"``. Classes are read by :mod:`seektrack.training.photos.names`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.training.photos.names import Concepts

TILE = 32
"""Side of a tile in pixels."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """Named photographs.

    Attributes:
        pictures: uint8 (N, 32, 32, 3), RGB.
        concepts: int (N,), what each shows, by number.
        sets: int (N,), the place of its data set in ``names``.
        names: Of the data sets.
    """

    pictures: NDArray[np.uint8]
    concepts: NDArray[np.intp]
    sets: NDArray[np.intp]
    names: tuple[str, ...]


def load_tiles(folder: Path, split: str, concepts: Concepts) -> Tiles:
    """Read one split of all data sets in a folder.

    Args:
        folder: Of the layout above.
        split: ``train`` or ``test``.
        concepts: Say what a class shows; classes they do not know are left out.

    Raises:
        InputError: No such layout, or none of its classes is known.
    """
    counts = _counts(folder)
    found: list[tuple[NDArray[np.uint8], int, int]] = []
    names = sorted({key.split("/")[0] for key in counts})
    for key, count in counts.items():
        data_set, part, shown = key.split("/")
        number = concepts.of_class.get(f"{data_set}/{shown}", concepts.of_class.get(shown))
        if part == split and number is not None:
            tiles = cut(folder / f"{key}.jpg", count)
            found.append((tiles, number, names.index(data_set)))
    if not found:
        raise InputError(
            f"{folder} has no {split} pictures of a known class",
            hint="its layout is DATASET/train/CLASS.jpg with counts.json; classes are in the table of names",
        )
    sizes = [len(tiles) for tiles, _, _ in found]
    return Tiles(
        np.concatenate([tiles for tiles, _, _ in found]),
        np.repeat([number for _, number, _ in found], sizes),
        np.repeat([place for _, _, place in found], sizes),
        tuple(names),
    )


def cut(path: Path, count: int) -> NDArray[np.uint8]:
    """The first ``count`` tiles of a mosaic, uint8 (count, 32, 32, 3).

    Raises:
        InputError: It cannot be read, or is smaller than that.
    """
    mosaic = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if mosaic is None:
        raise InputError(f"cannot read {path}", hint="counts.json names it: put it there or take it out")
    rows, columns = mosaic.shape[0] // TILE, mosaic.shape[1] // TILE
    if rows * columns < count:
        raise InputError(f"{path} has room for {rows * columns} tiles of {TILE} px, not for {count}")
    cropped = mosaic[: rows * TILE, : columns * TILE, ::-1]
    tiles = cropped.reshape(rows, TILE, columns, TILE, 3).transpose(0, 2, 1, 3, 4).reshape(-1, TILE, TILE, 3)
    return np.asarray(tiles[:count], np.uint8)


def _counts(folder: Path) -> dict[str, int]:
    path = folder / "counts.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        counts = {str(key): int(count) for key, count in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"cannot read {path}: {error}", hint='it says how many tiles there are: {"pets/train/dog": 500}'
        ) from error
    wrong = [key for key in counts if key.count("/") != 2]
    if wrong:
        raise InputError(f"{path} has {wrong[0]!r}", hint="its keys are DATASET/train/CLASS")
    return counts

"""Things in photographs that were named by hand: ``things.csv``.

A row is a thing in a photograph: the photograph's name, what it shows by the table of names, the box of the
whole visible thing in pixels, and where its outline is known the map of the person who drew it with the
numbers of the regions that it consists of. The table of BSDS500 lies in the package; a folder of other
photographs may have one of its own.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from seektrack.errors import InputError
from seektrack.geometry import Box
from seektrack.training.datasets.regions import RegionPicture
from seektrack.training.photos.names import Concepts
from seektrack.types import Mask

TABLE = "things.csv"
COLUMNS = ("picture", "name", "x0", "y0", "x1", "y1", "person", "regions")


@dataclass(frozen=True)
class Thing:
    """A named thing in a photograph.

    Attributes:
        concept: What it is, by number.
        box: Of all of it that is seen, ``xyxy`` pixels.
        mask: Its pixels, where somebody drew its outline.
    """

    concept: int
    box: Box
    mask: Mask | None


def things_in(picture: RegionPicture, concepts: Concepts) -> list[Thing]:
    """What was named in a photograph.

    Raises:
        InputError: The table beside it is malformed, or names what the table of names does not know.
    """
    folder = picture.folder
    table = _table(folder) if folder is not None and (folder / TABLE).is_file() else _table(None)
    return [_thing(picture, row, concepts) for row in table.get(picture.key, [])]


def names_things(folder: Path) -> bool:
    """Whether things were named in the photographs of a folder."""
    return (folder / TABLE).is_file() or any(file.stem in _table(None) for file in folder.glob("*.jpg"))


def _thing(picture: RegionPicture, row: dict[str, str], concepts: Concepts) -> Thing:
    try:
        box = (float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"]))
        mask = None
        if row["person"]:
            numbers = [int(number) for number in row["regions"].split("+")]
            mask = Mask.from_array(np.isin(picture.maps[int(row["person"])], numbers))
        return Thing(concepts.number[row["name"]], box, mask)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"{TABLE} has {row} of the photograph {picture.key}: {type(error).__name__} {error}",
            hint=f"its columns are {', '.join(COLUMNS)}; names are those of the table of names",
        ) from error


@cache
def _table(folder: Path | None) -> dict[str, list[dict[str, str]]]:
    """Rows by photograph, of a folder or of the package."""
    at = resources.files(__package__) if folder is None else folder
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(at.joinpath(TABLE).read_text(encoding="utf-8").splitlines()):
        rows[row.get("picture", "")].append(row)
    return dict(rows)

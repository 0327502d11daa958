"""Things in photographs that were named by hand: ``things.csv``.

A row is a thing in a photograph of BSDS500: the photograph's name, what it shows by the table of names, the
box of the whole visible thing in pixels, and where its outline is known the map of the person who drew it
with the numbers of the regions that it consists of.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from seektrack.geometry import Box
from seektrack.training.datasets.regions import RegionPicture
from seektrack.training.photos.names import Concepts
from seektrack.types import Mask


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
    """What was named in a photograph."""
    things = []
    for row in _table().get(picture.key, []):
        box = (float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"]))
        things.append(Thing(concepts.number[row["name"]], box, _outline(picture, row)))
    return things


def _outline(picture: RegionPicture, row: dict[str, str]) -> Mask | None:
    if not row["person"]:
        return None
    numbers = [int(number) for number in row["regions"].split("+")]
    return Mask.from_array(np.isin(picture.maps[int(row["person"])], numbers))


@cache
def _table() -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    text = resources.files(__package__).joinpath("things.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        rows[row["picture"]].append(row)
    return dict(rows)

"""What every layout on disk shares: its options, the form of its writers, and how files appear whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.world.languages import check_language
from seektrack.world.render import Clip
from seektrack.world.setting import MIN_PIXELS

PICTURES = ("jpg", "png")
VOID = 255
_QUALITY = 95
_SPLIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class LayoutSettings:
    """How scenes are written.

    Attributes:
        split: Its name in the folders and lists of the layout, such as ``train`` or ``val``.
        fps: Frames per second.
        pictures: ``jpg``, as data sets usually have it, or ``png``, which loses nothing.
        languages: Of captions, in this order.
    """

    split: str = "train"
    fps: Fraction = Fraction(25)
    pictures: str = "jpg"
    languages: tuple[str, ...] = ("en",)

    def __post_init__(self) -> None:
        if not _SPLIT.fullmatch(self.split):
            raise InputError(
                f"a split cannot be called {self.split!r}", hint="letters, digits, - and _, such as train"
            )
        if self.fps <= 0:
            raise InputError(f"fps must be above 0, got {self.fps}", hint="25 is usual")
        if self.pictures not in PICTURES:
            raise InputError(f"pictures cannot be {self.pictures!r}", hint=f"formats: {', '.join(PICTURES)}")
        if not self.languages:
            raise InputError("captions need at least one language, got none", hint="such as ('en',)")
        for language in self.languages:
            check_language(language)


class Writer(Protocol):
    """Writes scenes into a folder in one layout."""

    def __init__(self, root: Path, settings: LayoutSettings) -> None:
        """Start in an empty folder."""

    def add(self, name: str, clip: Clip) -> None:
        """Write one scene under a name that no other has."""

    def finish(self) -> None:
        """Write the lists of all scenes."""


def labels_with_void(ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Object ids (H, W), with objects of too few pixels to count as seen made void (255)."""
    counts = np.bincount(ids.ravel(), minlength=256)
    slivers = (counts > 0) & (counts < MIN_PIXELS)
    slivers[0] = False
    table = np.where(slivers, VOID, np.arange(256)).astype(np.uint8)
    return np.asarray(table[ids])


def write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    """Write uint8 (H, W, 3) as the format its name ends in."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        Image.fromarray(image).save(path, quality=_QUALITY, subsampling=0)
    else:
        Image.fromarray(image).save(path, compress_level=3)


def write_labels(path: Path, labels: NDArray[np.uint8]) -> None:
    """Write object ids (H, W) as a palette PNG in the colours of PASCAL VOC and DAVIS."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels, mode="P")
    picture.putpalette(_voc_colours().ravel().tolist())
    picture.save(path)


def write_json(path: Path, content: object) -> None:
    """Write JSON in UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def write_lines(path: Path, lines: list[str]) -> None:
    """Write text in UTF-8, each line ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _voc_colours() -> NDArray[np.uint8]:
    """(256, 3): the bits of a number dealt out to R, G and B in turn, the lowest to the brightest."""
    numbers = np.arange(256)
    bits = (numbers[:, None] >> np.arange(8)) & 1
    strength = np.array([128, 128, 128, 64, 64, 64, 32, 32])
    return np.stack([(bits * strength * (np.arange(8) % 3 == c)).sum(1) for c in range(3)], 1).astype(
        np.uint8
    )

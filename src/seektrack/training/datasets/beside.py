"""Films with one object each, its mask beside every picture: ``NAME/00000.jpg`` and ``NAME/00000.png``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.training.datasets.base import Dataset, FrameMasks, MaskClip
from seektrack.training.datasets.files import read_json, require_folder
from seektrack.types import Mask
from seektrack.video import VideoSource
from seektrack.video.images import EvenSource, image_files
from seektrack.video.labels import read_labels
from seektrack.video.stills import read_image

PICTURES = frozenset({".jpg", ".jpeg"})
FPS = 24
OBJECT = 1
"""The id of the object of a film."""
_BLACK, _BIT, _WHITE = 0, 1, 255


def masks_beside(root: str | Path, *, fps: float = FPS) -> Dataset[MaskClip]:
    """Films whose masks lie beside their pictures: ``NAME/00000.jpg`` and ``NAME/00000.png``.

    White (255, or the set bits of a PNG of one bit) is the object, black the rest: the masks of DAVIS 2016 as
    they come. Of a picture
    without a PNG nothing is known. ``names.json`` beside the films may say what each shows, as
    ``{"NAME": "a dog"}``.

    Raises:
        InputError: The folder is missing, holds no such film, or ``names.json`` is malformed.
    """
    base = require_folder(Path(root), what="folder of films")
    names = [folder.name for folder in sorted(base.iterdir()) if folder.is_dir() and is_film(folder)]
    if not names:
        raise InputError(f"no film in {base}", hint="a film is NAME/00000.jpg and, its mask, NAME/00000.png")
    return Dataset(names, partial(_film, base, film_names(base), fps))


def is_film(folder: Path) -> bool:
    """Whether a picture of a folder has a PNG of the same name beside it."""
    masks = {file.stem for file in folder.glob("*.png")}
    return bool(masks) and any(
        file.suffix.lower() in PICTURES and file.stem in masks for file in folder.iterdir()
    )


def film_names(root: Path) -> dict[str, str]:
    """What each film shows, by the name of its folder; empty without ``names.json``.

    Raises:
        InputError: ``names.json`` is malformed.
    """
    path = root / "names.json"
    if not path.is_file():
        return {}
    told = read_json(path, what="names of the films", needs=())
    wrong = [name for name, text in told.items() if not isinstance(text, str) or not text.strip()]
    if wrong:
        raise InputError(
            f"{path} says {json.dumps(told[wrong[0]])} of {wrong[0]!r}",
            hint='it reads {"NAME": "a dog"}, a text for each film',
        )
    return dict(told)


def _film(root: Path, names: Mapping[str, str], fps: float, name: str) -> MaskClip:
    folder = require_folder(root / name, what="folder of a film")
    pictures = [file for file in image_files(folder) if file.suffix.lower() in PICTURES]
    if not pictures:
        raise InputError(f"no pictures in {folder}", hint="pictures are JPEGs, masks PNGs of the same name")
    masks = [file.with_suffix(".png") for file in pictures]
    astray = sorted({file.stem for file in folder.glob("*.png")} - {file.stem for file in pictures})
    if astray:
        raise InputError(
            f"{folder} has a mask {astray[0]}.png, but no picture of that name", hint="give both one name"
        )
    return MaskClip(
        key=name,
        open=partial(_opened, folder, tuple(pictures), fps),
        annotation=partial(_read, masks),
        categories={OBJECT: names[name]} if name in names else {},
    )


def _opened(folder: Path, pictures: Sequence[Path], fps: float) -> VideoSource:
    rate = Fraction(fps).limit_denominator(1000) or Fraction(fps)
    read = partial(_picture, pictures)
    return EvenSource(str(folder), len(pictures), read, fps=rate, start_s=None, end_s=None)


def _picture(pictures: Sequence[Path], index: int) -> NDArray[np.uint8]:
    return read_image(pictures[index])


def _read(files: Sequence[Path], index: int) -> FrameMasks | None:
    if not 0 <= index < len(files) or not files[index].exists():
        return None
    labels = read_labels(files[index])
    strange = np.setdiff1d(labels, (_BLACK, _BIT, _WHITE))
    if len(strange):
        raise InputError(
            f"the mask {files[index]} has the value {strange[0]}",
            hint="beside a film 255 is the object and 0 the rest; for several numbered objects take "
            "JPEGImages/NAME/ and Annotations/NAME/",
        )
    there = labels != _BLACK
    return FrameMasks(masks={OBJECT: Mask.from_array(there)} if there.any() else {})

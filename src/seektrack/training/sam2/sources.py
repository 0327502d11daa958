"""A user's clips with masks, as ``--data`` names them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from seektrack.errors import InputError
from seektrack.training.datasets import (
    MaskClip,
    davis,
    decathlon,
    mask_folders,
    mots_challenge,
    scans,
    world_masks,
    youtube_vos,
)
from seektrack.training.datasets.files import read_text
from seektrack.world import SceneSettings, Split, seeds

Clips: TypeAlias = Sequence[MaskClip]

LAYOUTS = (
    "a DAVIS or YouTube-VOS folder, any JPEGImages/ with Annotations/, MOT sequences with masks (MOTS), a "
    "decathlon or nnU-Net folder (dataset.json), a folder with scans.csv (scan,labels: DICOM or NIfTI), or "
    "world:200,style=scan,categories=snail+umbrella"
)
_FIRST_WORLD_SEED = 40_000_000
"""Of the training split; the pocket recipes' stages end far below."""


def read_clips(data: str | Path) -> Clips:
    """Clips with masks.

    Args:
        data: A folder in one of `LAYOUTS`; which one is told from what lies in it. Or ``world:COUNT`` with
            options after commas: ``style=``, ``categories=`` (joined by ``+``), ``frames=``, ``size=`` and
            ``start=``, the number of scenes to pass over.

    Raises:
        InputError: Nothing of the kind is there, or it is malformed.
    """
    text = os.fspath(data)
    if text == "world" or text.startswith(("world:", "world,")):
        return _world(text)
    base = Path(text).expanduser()
    if not base.is_dir():
        raise InputError(f"there is no folder {base}", hint=f"--data takes {LAYOUTS}")
    if (base / "scans.csv").is_file():
        return scans(_pairs(base / "scans.csv"))
    if (base / "dataset.json").is_file():
        return decathlon(base)
    if (base / "meta.json").is_file():
        return youtube_vos(base)
    if (base / "ImageSets").is_dir():
        return davis(base)
    if any(base.glob("*/seqinfo.ini")):
        return mots_challenge(base)
    if (base / "JPEGImages").is_dir() or (base / "Annotations").is_dir():
        return mask_folders(base)
    raise InputError(f"{base} holds no clips with masks", hint=f"--data takes {LAYOUTS}")


def digest(clips: Clips) -> str:
    """A short hash of the names of clips, to tell one set of data from another."""
    keys = getattr(clips, "keys", None) or [clip.key for clip in clips]
    return hashlib.sha256(json.dumps(list(keys)).encode()).hexdigest()[:16]


def _world(text: str) -> Clips:
    count, *options = text.removeprefix("world").lstrip(":,").split(",") if text != "world" else ["200"]
    if "=" in count:
        count, options = "200", [count, *options]
    given: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or name not in ("style", "categories", "frames", "size", "start"):
            raise InputError(
                f"{text!r}: {option!r} is no option of the world",
                hint="write world:200,style=scan,categories=snail+umbrella,frames=24,size=256,start=0",
            )
        given[name] = value
    numbers = {"count": count, **{n: given.get(n, d) for n, d in _WORLD_DEFAULTS.items()}}
    for name, value in numbers.items():
        if not value.isdecimal() or (name != "start" and int(value) < 1):
            raise InputError(
                f"{text!r}: {name} is {value!r}", hint="write a whole number: world:200,frames=24"
            )
    size = int(numbers["size"])
    settings = SceneSettings(
        style=given.get("style", "plain"),
        categories=tuple(given["categories"].split("+")) if given.get("categories") else None,
        height=size,
        width=size,
        n_frames=int(numbers["frames"]),
    )
    first = _FIRST_WORLD_SEED + int(numbers["start"])
    return world_masks(seeds(Split.TRAIN, int(numbers["count"]), start=first), settings)


_WORLD_DEFAULTS = {"frames": "24", "size": "256", "start": "0"}


def _pairs(path: Path) -> list[tuple[Path, Path]]:
    rows = csv.DictReader(io.StringIO(read_text(path, what="list of scans")))
    if not {"scan", "labels"} <= set(rows.fieldnames or ()):
        raise InputError(f"{path} has the columns {rows.fieldnames}", hint="its first line is scan,labels")
    pairs = [(path.parent / (row["scan"] or ""), path.parent / (row["labels"] or "")) for row in rows]
    missing = [p for pair in pairs for p in pair if not p.exists() or p == path.parent]
    if missing:
        raise InputError(f"{path} names {missing[0]}, which is not there", hint="paths are relative to it")
    return pairs

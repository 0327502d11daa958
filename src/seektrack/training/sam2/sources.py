"""A user's clips with masks, as ``--data`` names them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from seektrack.errors import InputError
from seektrack.training.datasets import (
    MaskClip,
    davis,
    decathlon,
    mask_folders,
    masks_beside,
    mots_challenge,
    scans,
    world_masks,
    youtube_vos,
)
from seektrack.training.datasets.beside import is_film
from seektrack.training.datasets.corrected import corrected_files, corrected_masks, is_corrected
from seektrack.training.datasets.files import read_text
from seektrack.training.datasets.usable import UsableClips
from seektrack.training.datasets.world import choose_world, is_world

Clips: TypeAlias = Sequence[MaskClip]

LAYOUTS = (
    "a DAVIS or YouTube-VOS folder, any JPEGImages/ with Annotations/, films as NAME/00000.jpg with the mask "
    "NAME/00000.png beside it (white is the object), MOT sequences with masks (MOTS), a decathlon or nnU-Net "
    "folder (dataset.json), a folder with scans.csv (scan,labels: DICOM or NIfTI), results (tracks.json) or "
    "sessions of seektrack that were put right, or "
    "world:200,style=scan,categories=snail+umbrella"
)


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
    if is_world(text):
        chosen = choose_world(text)
        return world_masks(chosen.seeds, chosen.settings)
    base = Path(text).expanduser()
    if base.is_file() and is_corrected(base):
        return corrected_masks(base)
    if not base.is_dir():
        raise InputError(f"no such folder: {base}", hint=f"--data takes {LAYOUTS}")
    reader = _reader(base)
    if reader is None:
        raise InputError(f"{base} holds no clips with masks", hint=f"--data takes {LAYOUTS}")
    return reader(base)


def usable_clips(data: str | Path) -> Clips:
    """The same as `read_clips` without what cannot be used, which its ``left_out`` tells.

    Raises:
        InputError: Nothing of the kind is there, or nothing of it can be used.
    """
    clips = read_clips(data)
    return clips if is_world(os.fspath(data)) else UsableClips(clips, name=os.fspath(data))


def holds_clips(folder: Path) -> bool:
    """Whether a folder is in one of `LAYOUTS`."""
    return folder.is_dir() and _reader(folder) is not None


def _reader(base: Path) -> Callable[[Path], Clips] | None:
    """What reads a folder, told from what lies in it."""
    if (base / "scans.csv").is_file():
        return lambda folder: scans(_pairs(folder / "scans.csv"))
    if (base / "dataset.json").is_file():
        return decathlon
    if (base / "meta.json").is_file():
        return youtube_vos
    if (base / "ImageSets").is_dir():
        return davis
    if any(base.glob("*/seqinfo.ini")):
        return mots_challenge
    if (base / "JPEGImages").is_dir() or (base / "Annotations").is_dir():
        return mask_folders
    if any(is_film(folder) for folder in base.iterdir() if folder.is_dir()):
        return masks_beside
    if corrected_files(base):
        return corrected_masks
    return None


def digest(clips: Clips) -> str:
    """A short hash of the names of clips, to tell one set of data from another."""
    keys = getattr(clips, "keys", None) or [clip.key for clip in clips]
    return hashlib.sha256(json.dumps(list(keys)).encode()).hexdigest()[:16]


def _pairs(path: Path) -> list[tuple[Path, Path]]:
    rows = csv.DictReader(io.StringIO(read_text(path, what="list of scans")))
    if not {"scan", "labels"} <= set(rows.fieldnames or ()):
        raise InputError(f"{path} has the columns {rows.fieldnames}", hint="its first line is scan,labels")
    pairs = [(path.parent / (row["scan"] or ""), path.parent / (row["labels"] or "")) for row in rows]
    missing = [p for pair in pairs for p in pair if not p.exists() or p == path.parent]
    if missing:
        raise InputError(f"{path} names {missing[0]}, which is not there", hint="paths are relative to it")
    return pairs

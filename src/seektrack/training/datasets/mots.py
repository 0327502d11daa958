"""MOTS Challenge sequences: a folder of pictures and the masks of every object in one text file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from seektrack.errors import InputError
from seektrack.training.datasets.base import Dataset, FrameMasks, MaskClip
from seektrack.training.datasets.boxes import read_sequence_info
from seektrack.training.datasets.files import read_text, require_folder
from seektrack.types import Mask
from seektrack.video import open_video
from seektrack.video.images import image_files

IGNORED = 10
"""Class of regions of which nobody says what they show."""
CLASSES = {1: "car", 2: "pedestrian"}


def mots_challenge(root: str | Path) -> Dataset[MaskClip]:
    """Sequences as ``<root>/<sequence>/{seqinfo.ini, img1/, gt/gt.txt}``, MOT Challenge with masks.

    Rows of ``gt.txt`` are ``frame id class height width rle``, frames from 1 (Voigtlaender et al., MOTS,
    arXiv:1902.03604). Every frame counts as annotated; class 10 is void.

    Raises:
        InputError: The folder is missing, or holds no sequence.
    """
    base = require_folder(Path(root), what="folder of sequences")
    names = sorted(p.parent.name for p in base.glob("*/seqinfo.ini"))
    if not names:
        raise InputError(
            f"no sequence in {base}", hint="a sequence is a folder with seqinfo.ini, img1/ and gt/gt.txt"
        )
    return Dataset(names, partial(_clip, base))


def read_masks(path: Path) -> tuple[dict[int, FrameMasks], dict[int, str]]:
    """Frame index to masks, and object id to category, of a ``gt.txt``.

    Raises:
        InputError: Missing, or a row is not of the form above.
    """
    masks: dict[int, dict[int, Mask]] = {}
    void: dict[int, list[Mask]] = {}
    categories: dict[int, str] = {}
    for number, row in enumerate(read_text(path, what="ground truth").splitlines(), start=1):
        if not row.strip():
            continue
        try:
            frame, obj_id, kind, height, width = (int(v) for v in row.split(" ")[:5])
            mask = Mask((height, width), row.split(" ")[5].encode("ascii"))
            area = mask.area
        except (ValueError, IndexError, UnicodeEncodeError) as error:
            raise InputError(
                f"{path} line {number} is no mask: {row[:60]!r}", hint="frame id class height width rle"
            ) from error
        if kind == IGNORED:
            void.setdefault(frame - 1, []).append(mask)
        elif area:
            masks.setdefault(frame - 1, {})[obj_id] = mask
            categories[obj_id] = CLASSES.get(kind, f"class {kind}")
    known = {
        index: FrameMasks(masks.get(index, {}), _union(void.get(index, [])))
        for index in sorted({*masks, *void})
    }
    return known, categories


def _union(masks: list[Mask]) -> Mask | None:
    if not masks:
        return None
    out = masks[0].to_array()
    for mask in masks[1:]:
        out = out | mask.to_array()
    return Mask.from_array(out)


def _at(known: Mapping[int, FrameMasks], n_frames: int, index: int) -> FrameMasks | None:
    return known.get(index, FrameMasks()) if 0 <= index < n_frames else None


def _clip(base: Path, name: str) -> MaskClip:
    info = read_sequence_info(base / name / "seqinfo.ini")
    pictures = require_folder(Path(info.path), what="folder of pictures")
    known, categories = read_masks(base / name / "gt" / "gt.txt")
    n_frames = info.n_frames or len(image_files(pictures))
    annotation = partial(_at, known, n_frames)
    return MaskClip(name, partial(open_video, info.path, fps=info.fps), annotation, categories)

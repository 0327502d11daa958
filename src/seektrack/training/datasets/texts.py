"""Pictures, videos and moments with texts, as ``--data`` names them, whatever the layout.

What cannot be used is passed over, named and counted; the rest is what the data set holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from seektrack.errors import InputError
from seektrack.training.datasets.files import read_json
from seektrack.training.datasets.left_out import LeftOuts, OnBad
from seektrack.training.datasets.rows import Row, coco_rows, karpathy_rows, msr_vtt_rows, table_rows
from seektrack.training.datasets.text_items import TextItem, TextSet
from seektrack.video.finding import VIDEO_SUFFIXES
from seektrack.video.stills import IMAGE_SUFFIXES

LAYOUTS = (
    "a folder with captions.csv (file,caption) or moments.csv (video,start,end,text), a folder of folders "
    "named by what their pictures show, COCO captions, Flickr30k or MSR-VTT (the folder or its captions "
    "file), or world:400,style=rich,pictures=2"
)
_OWN = ("captions.csv", "moments.csv")
_FLICKR = ("results_20130124.token", "results.csv", "captions.txt", "flickr_annotations_30k.csv")
_KARPATHY = ("dataset_flickr30k.json", "dataset_coco.json", "dataset_flickr8k.json")
_MSR_VTT = (
    "train_val_videodata.json",
    "test_videodata.json",
    "MSRVTT_data.json",
    "MSRVTT_JSFUSION_test.csv",
)
_PICTURES_IN = (
    "", "images", "Images", "flickr30k-images", "flickr30k_images", "videos", "videos/all", "video",
    "TrainValVideo", "TestVideo",
)  # fmt: skip


def read_texts(
    data: str | Path,
    *,
    images: str | Path | None = None,
    split: str | None = None,
    singles: bool = True,
) -> TextSet:
    """Read things with texts.

    Args:
        data: A folder or a captions file in one of ``LAYOUTS``; which one is told from what lies there.
        images: Folder of the pictures or videos, where it is not where the layout has it.
        split: Only ``train``, ``val``, ``test`` or whatever parts the file knows.
        singles: Whether a class of one picture counts, in folders named by what their pictures show.

    Raises:
        InputError: Nothing of the kind is there, the split is unknown, or nothing of it can be used.
    """
    path = Path(os.fspath(data)).expanduser()
    left_out = LeftOuts()
    if path.is_dir():
        file = _captions_in(path, split)
        if file is None:
            return _checked("labels", path, _labels(path, left_out, singles=singles), left_out)
        path = file
    if not path.is_file():
        raise InputError(f"no such file or folder: {path}", hint=f"--data takes {LAYOUTS}")
    layout, reader = _reader(path)
    rows = _of_split(list(reader(path, left_out.of(path))), path, split, layout)
    find = _Finder(path, rows, images)
    items = _items(path, rows, find, left_out)
    if path.name in _OWN:
        _uncaptioned(path.parent, find.found, left_out)
    return _checked(layout, path, items, left_out)


def _captions_in(folder: Path, split: str | None) -> Path | None:
    """The captions file of a folder; None where there is none."""
    order: list[str] = [*_OWN, *(_KARPATHY if split else ()), *_FLICKR, *_KARPATHY, *_MSR_VTT]
    for name in order:
        if (folder / name).is_file():
            return folder / name
    coco: list[Path] = sorted([*folder.glob("annotations/captions_*.json"), *folder.glob("captions_*.json")])
    chosen: list[Path] = [file for file in coco if split is None or split in file.stem]
    if len(chosen) > 1 or (coco and not chosen):
        raise InputError(
            f"{folder} holds {', '.join(file.name for file in coco)}",
            hint="name one of them, or choose with --split (split=…)",
        )
    return chosen[0] if chosen else None


def _reader(path: Path) -> tuple[str, Callable[[Path, OnBad], Iterable[Row]]]:
    """What a captions file is laid out as, and what reads it."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        try:
            content = read_json(path, what="captions file", needs=())
        except InputError as error:
            raise InputError(f"{path} is no COCO captions file: {error.message}", hint=error.hint) from error
        if "sentences" in content and "videos" in content:
            return "msr-vtt", msr_vtt_rows
        first = next(iter(content.get("images") or ()), None)
        if isinstance(first, dict) and "sentences" in first:
            return "flickr30k", karpathy_rows
        return "coco", coco_rows
    if suffix not in (".csv", ".txt", ".token", ".tsv"):
        raise InputError(f"{path} is neither .csv, .txt, .token nor .json", hint=f"--data takes {LAYOUTS}")
    if path.name in _FLICKR:
        return "flickr30k", table_rows
    if path.name in _MSR_VTT:
        return "msr-vtt", table_rows
    return ("moments" if path.name == "moments.csv" else "captions"), table_rows


def _of_split(rows: list[Row], path: Path, split: str | None, layout: str) -> list[Row]:
    known = sorted({row.split for row in rows if row.split})
    if split is None or (layout == "coco" and not known):
        return rows
    if split not in known:
        told = f"it has {', '.join(known)}" if known else "its layout knows no splits"
        raise InputError(f"no split {split!r} in {path}: {told}", hint="leave the split out")
    return [row for row in rows if row.split == split]


def _items(path: Path, rows: list[Row], find: _Finder, left_out: LeftOuts) -> list[TextItem]:
    texts: dict[tuple[str, tuple[float, float] | None], list[str]] = {}
    first: dict[tuple[str, tuple[float, float] | None], Row] = {}
    for row in rows:
        if row.text.strip():
            texts.setdefault((row.name, row.span), []).append(row.text.strip())
            first.setdefault((row.name, row.span), row)
        else:
            left_out.add(path, row.where, "a file without a caption")
    items = []
    for (name, span), said in texts.items():
        row = first[name, span]
        file = find(name)
        why = _unusable(file, span)
        if file is None or why:
            left_out.add(path, f"{row.where} ({name})", why)
            continue
        video = file.suffix.lower() in VIDEO_SUFFIXES
        key = name if span is None else f"{name}@{span[0]:g}-{span[1]:g}"
        items.append(TextItem(key, file, tuple(dict.fromkeys(said)), row.weight, span, video))
    return items


def _unusable(file: Path | None, span: tuple[float, float] | None) -> str:
    """Why a file cannot be used; empty where it can."""
    if file is None:
        return "a caption whose picture or video is missing"
    if file.suffix.lower() in VIDEO_SUFFIXES:
        return "an empty file" if file.stat().st_size == 0 else ""
    if span is not None:
        return "a moment of a picture"
    try:
        _check_picture(file)
    except (OSError, SyntaxError, ValueError):
        return "no picture"
    return ""


def _check_picture(file: Path) -> None:
    """Look at the header alone; an `OSError` where the file is no picture."""
    from PIL import Image

    with Image.open(file):
        pass


class _Finder:
    """Where the pictures or videos lie: beside the captions file, or where its layout has them."""

    def __init__(self, path: Path, rows: Sequence[Row], images: str | Path | None) -> None:
        home = path.parent
        if images is not None:
            folders = [Path(images).expanduser()]
            if not folders[0].is_dir():
                raise InputError(f"no folder {folders[0]}", hint="it is that of the pictures or videos")
        else:
            named = [
                home.parent / path.stem.removeprefix("captions_"),
                home / path.stem.removeprefix("captions_"),
            ]
            folders = [*(home / name for name in _PICTURES_IN), *named, home.parent / "images"]
        names = list(dict.fromkeys(row.name for row in rows))[:50]
        self._stems: dict[Path, dict[str, Path]] = {}
        there = [folder for folder in folders if folder.is_dir()]
        found = [sum(self._in(folder, name) is not None for name in names) for folder in there]
        self._folder = there[int(np.argmax(found))] if there else home
        self.found: set[Path] = set()

    def __call__(self, name: str) -> Path | None:
        file = self._in(self._folder, name)
        if file is not None:
            self.found.add(file)
        return file

    def _in(self, folder: Path, name: str) -> Path | None:
        file = folder / name
        if file.is_file():
            return file
        if Path(name).name != name:
            return None
        if folder not in self._stems:
            files = sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
            self._stems[folder] = {p.stem: p for p in files}
        return self._stems[folder].get(name)


def _uncaptioned(folder: Path, named: set[Path], left_out: LeftOuts) -> None:
    """Name the pictures of one's own folder that nothing is said of."""
    for home in sorted({file.parent for file in named if folder in file.parents}):
        for file in sorted(home.iterdir()):
            if file.suffix.lower() in IMAGE_SUFFIXES and file not in named:
                left_out.add(file, "", "a picture without a caption")


def _labels(folder: Path, left_out: LeftOuts, *, singles: bool) -> list[TextItem]:
    """Pictures in folders named by what they show: ``a dog/1.jpg``, ``traffic_light/7.png``."""
    items = []
    for home in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        label = home.name.replace("_", " ").strip()
        files = sorted(p for p in home.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        kept = []
        for file in files:
            why = _unusable(file, None)
            if why:
                left_out.add(file, "", why)
            else:
                kept.append(TextItem(f"{home.name}/{file.name}", file, (label,)))
        if len(kept) == 1 and not singles:
            left_out.add(home, "", "a class with one example")
            continue
        items += kept
    return items


def _checked(layout: str, path: Path, items: list[TextItem], left_out: LeftOuts) -> TextSet:
    if not items:
        first = f"; {len(left_out)} left out, first {left_out[0]}" if left_out else ""
        raise InputError(f"{path} holds no captions that can be used{first}", hint=f"--data takes {LAYOUTS}")
    return TextSet(layout, items, left_out)

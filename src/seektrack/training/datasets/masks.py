"""Folders of pictures with a PNG of object ids a frame: DAVIS 2017 and YouTube-VOS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from seektrack.errors import InputError
from seektrack.training.datasets.base import Dataset, FrameMasks, MaskClip
from seektrack.training.datasets.files import VOID, read_json, read_lines, require_folder
from seektrack.video import open_video
from seektrack.video.images import image_files
from seektrack.video.labels import read_labels

DAVIS_FPS = 24
YOUTUBE_VOS_FPS = 30

Categories = Mapping[str, Mapping[int, str]]


def davis(
    root: str | Path, *, split: str = "train", year: str = "2017", resolution: str = "480p"
) -> Dataset[MaskClip]:
    """DAVIS 2017, as its archive unpacks.

    Holds ``JPEGImages/480p/<sequence>/``, ``Annotations/480p/<sequence>/`` and
    ``ImageSets/2017/<split>.txt``. Of a frame without a PNG (all but the first of ``test-dev``) nothing is
    known. Categories come from ``davis_semantics.json`` beside the folders, when it is there. Void is 255.

    Raises:
        InputError: A folder or the list of the split is missing.
    """
    base = Path(root)
    names = read_lines(base / "ImageSets" / year / f"{split}.txt", what=f"list of the split {split!r}")
    told = base / "davis_semantics.json"
    categories: dict[str, dict[int, str]] = {}
    if told.is_file():
        data = read_json(told, what="categories file", needs=())
        try:
            categories = {name: {int(i): str(c) for i, c in of.items()} for name, of in data.items()}
        except (AttributeError, ValueError) as error:
            raise InputError(
                f"{told} is not in DAVIS' layout: {error}", hint='it reads {sequence: {"1": category}}'
            ) from error
    return _folders(
        base / "JPEGImages" / resolution, base / "Annotations" / resolution, names, categories, fps=DAVIS_FPS
    )


def youtube_vos(root: str | Path, *, fps: float = YOUTUBE_VOS_FPS) -> Dataset[MaskClip]:
    """One split of YouTube-VOS: ``JPEGImages/<video>/``, ``Annotations/<video>/`` and ``meta.json``.

    In ``valid`` an object is annotated on its first frame only, and on none before it.

    Args:
        root: Folder of the split, such as ``train``.
        fps: Of the pictures there are: 6 when the folder holds every fifth frame, 30 when all.

    Raises:
        InputError: A folder is missing, or ``meta.json`` is missing or malformed.
    """
    base = Path(root)
    meta = base / "meta.json"
    data = read_json(meta, what="list of videos", needs=("videos",))
    try:
        categories = {
            name: {int(i): str(o["category"]) for i, o in video["objects"].items() if "category" in o}
            for name, video in data["videos"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{meta} is not in YouTube-VOS' layout: {error!r}",
            hint='it reads {"videos": {id: {"objects": {"1": {"category": …}}}}}',
        ) from error
    return _folders(base / "JPEGImages", base / "Annotations", sorted(categories), categories, fps=fps)


def mask_folders(root: str | Path, *, fps: float = DAVIS_FPS) -> Dataset[MaskClip]:
    """Any ``JPEGImages/<clip>/`` with ``Annotations/<clip>/`` beside it: every clip that has both.

    The clips may lie one folder deeper, as in DAVIS' ``480p``. Of a frame without a PNG nothing is known.

    Raises:
        InputError: A folder is missing, or no clip has pictures and annotations.
    """
    pictures = require_folder(Path(root) / "JPEGImages", what="folder of pictures")
    labels = require_folder(Path(root) / "Annotations", what="folder of annotations")
    deeper = [p.name for p in sorted(labels.iterdir()) if p.is_dir() and not any(p.glob("*.png"))]
    if deeper and (pictures / deeper[0]).is_dir():
        pictures, labels = pictures / deeper[0], labels / deeper[0]
    names = [p.name for p in sorted(labels.iterdir()) if p.is_dir() and (pictures / p.name).is_dir()]
    if not names:
        raise InputError(
            f"no clip has pictures in {pictures} and annotations in {labels}",
            hint="name the folders of a clip alike in both",
        )
    return _folders(pictures, labels, names, {}, fps=fps)


def _folders(
    pictures: Path, labels: Path, names: Sequence[str], categories: Categories, *, fps: float
) -> Dataset[MaskClip]:
    require_folder(pictures, what="folder of pictures")
    require_folder(labels, what="folder of annotations")
    return Dataset(names, partial(_clip, pictures, labels, categories, fps))


def _clip(pictures: Path, labels: Path, categories: Categories, fps: float, name: str) -> MaskClip:
    folder = require_folder(pictures / name, what="folder of pictures")
    drawn = require_folder(labels / name, what="folder of annotations")
    stems = [file.stem for file in image_files(folder)]
    astray = sorted({file.stem for file in drawn.glob("*.png")} - set(stems))
    if astray:
        raise InputError(
            f"{drawn} annotates {astray[0]}.png, but {folder} has no picture of that name",
            hint="were all pictures unpacked?",
        )
    return MaskClip(
        key=name,
        open=partial(open_video, folder, fps=fps),
        annotation=partial(_read, [drawn / f"{stem}.png" for stem in stems]),
        categories=categories.get(name, {}),
    )


def _read(files: Sequence[Path], index: int) -> FrameMasks | None:
    if not 0 <= index < len(files) or not files[index].exists():
        return None
    return FrameMasks.from_labels(read_labels(files[index]), void=VOID)

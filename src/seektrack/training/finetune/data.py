"""Pictures with captions: readers of the common layouts, and how the training sees them."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, VideoError
from seektrack.geometry import crop_square
from seektrack.training.datasets.world import choose_world, is_world
from seektrack.video import read_image
from seektrack.world import SceneSettings, actor_caption, frame_caption, render, sample_scene

Picture: TypeAlias = NDArray[np.uint8]
Pairs: TypeAlias = Sequence[Any]
"""A picture each: ``(image, texts)`` or ``(image, texts, weight)``, or an object with ``image`` and ``texts``
(and ``weight``). The image is a path or RGB uint8 (H, W, 3), the texts a list that is not empty, the weight
how much the pair counts beside others of weight 1. Items may be made when they are asked for."""

WORLD_SCENES = 400
LAYOUTS = (
    "a folder with captions.csv (file,caption), a COCO captions .json beside its images, or "
    "world:400,style=rich,pictures=2"
)
_MIN_PIXELS = 60


@dataclass(frozen=True, eq=False)
class Pair:
    """One picture and what it is called.

    Attributes:
        image: Path or RGB uint8 (H, W, 3).
        texts: Its captions, trimmed.
        weight: How much it counts.
    """

    image: Path | Picture
    texts: tuple[str, ...]
    weight: float = 1.0


def pair_at(pairs: Pairs, index: int) -> Pair:
    """The ``index``-th pair, whatever form it has.

    Raises:
        InputError: It has no known form, no text, or a negative weight.
    """
    item = pairs[index]
    if isinstance(item, Pair):
        return item
    if isinstance(item, tuple | list) and len(item) in (2, 3):
        image, texts, weight = (*item, 1.0)[:3]
    elif hasattr(item, "image") and hasattr(item, "texts"):
        image, texts, weight = item.image, item.texts, getattr(item, "weight", 1.0)
    else:
        raise InputError(
            f"pair {index} is a {type(item).__name__}", hint="a pair is (image, list of texts) or has both"
        )
    kept = tuple(t.strip() for t in ([texts] if isinstance(texts, str) else texts) if t.strip())
    if not kept:
        raise InputError(f"pair {index} has no caption", hint="leave pictures without captions out")
    if not 0 <= float(weight) < float("inf"):
        raise InputError(f"pair {index} has weight {weight}", hint="weights are 0 or more")
    image = Path(image) if isinstance(image, str | os.PathLike) else image
    if not isinstance(image, Path | np.ndarray):
        raise InputError(
            f"the picture of pair {index} is a {type(image).__name__}",
            hint="give a path or an RGB uint8 array (H, W, 3)",
        )
    return Pair(image, kept, float(weight))


def load_picture(image: Path | Picture) -> Picture:
    """A picture as RGB uint8 (H, W, 3), as a viewer shows it and as it is indexed.

    Raises:
        InputError: The file is missing or no picture.
    """
    if not isinstance(image, Path):
        return image
    try:
        return read_image(image)
    except VideoError as error:
        raise InputError(
            f"{image} cannot be read as a picture: {error.message}", hint="remove it from the captions"
        ) from error


def same_text(text: str) -> str:
    """What two spellings of one caption have in common: no case, single spaces, no final full stop."""
    return " ".join(text.casefold().split()).rstrip(".")


def digest(pairs: Pairs) -> str:
    """A short hash of how many pairs there are and of the captions of up to 64 of them."""
    picked = sorted({int(i) for i in np.linspace(0, len(pairs) - 1, min(64, len(pairs)))})
    texts = [pair_at(pairs, i).texts for i in picked]
    return hashlib.sha256(json.dumps([len(pairs), texts]).encode()).hexdigest()[:16]


def read_pairs(data: str | Path) -> Pairs:
    """Read pictures with captions.

    Args:
        data: A folder with ``captions.csv`` or that file itself: columns ``file`` (relative to it),
            ``caption``, and optional ``weight``, any number of rows for a picture. Or a COCO captions
            ``.json``; its pictures are sought beside it, in ``images/``, and in the folder its name speaks
            of (``annotations/captions_val2017.json``: ``val2017/``). Or ``world:SCENES`` with the options of
            `seektrack.training.datasets.choose_world` after commas, and ``pictures=``, the frames looked at
            in each scene.

    Raises:
        InputError: Nothing of the kind is there, a file it names is missing, or it is malformed.
    """
    text = os.fspath(data)
    if is_world(text):
        chosen = choose_world(text, count=WORLD_SCENES, others={"pictures": 1})
        return world_pairs(chosen.seeds, chosen.settings, pictures=chosen.others["pictures"])
    path = Path(text).expanduser()
    if path.is_dir():
        path = path / "captions.csv"
    if not path.is_file():
        raise InputError(f"no such file or folder: {path}", hint=f"--data takes {LAYOUTS}")
    if path.suffix.lower() not in (".csv", ".json"):
        raise InputError(f"{path} is neither .csv nor .json", hint=f"--data takes {LAYOUTS}")
    pairs = _read_coco(path) if path.suffix.lower() == ".json" else _read_csv(path)
    missing = [p.image for p in pairs if isinstance(p.image, Path) and not p.image.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(pairs)} pictures in {path} are missing, first {missing[0]}",
            hint="file names are relative to the folder of the captions",
        )
    if not pairs:
        raise InputError(f"{path} holds no captions", hint=f"--data takes {LAYOUTS}")
    return pairs


def _read_csv(path: Path) -> list[Pair]:
    texts: dict[str, list[str]] = {}
    weights: dict[str, float] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"file", "caption"} <= set(rows.fieldnames or ()):
                raise InputError(
                    f"{path} has the columns {rows.fieldnames}", hint="its first line must be file,caption"
                )
            for row in rows:
                name, caption = (row["file"] or "").strip(), (row["caption"] or "").strip()
                if not name or not caption:
                    raise InputError(
                        f"{path} line {rows.line_num} lacks a file or a caption",
                        hint='quote captions that hold a comma: "a dog, asleep"',
                    )
                texts.setdefault(name, []).append(caption)
                weights[name] = _weight(row.get("weight"), f"{path} line {rows.line_num}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}", hint="save it as UTF-8 CSV") from error
    return [Pair(path.parent / name, tuple(captions), weights[name]) for name, captions in texts.items()]


def _weight(text: str | None, where: str) -> float:
    try:
        value = float(text) if text and text.strip() else 1.0
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"{where} has weight {text!r}", hint="weights are numbers, 0 or more")
    return value


def _read_coco(path: Path) -> list[Pair]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {image["id"]: str(image["file_name"]) for image in content["images"]}
        texts: dict[Any, list[str]] = {}
        for note in content["annotations"]:
            if caption := str(note["caption"]).strip():
                texts.setdefault(note["image_id"], []).append(caption)
        named = [(files[image_id], tuple(captions)) for image_id, captions in texts.items()]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no COCO captions file: {type(error).__name__} {error}",
            hint="it needs images [{id, file_name}] and annotations [{image_id, caption}]",
        ) from error
    home = path.parent
    folders = [
        home,
        home / "images",
        home.parent / path.stem.removeprefix("captions_"),
        home.parent / "images",
    ]
    folder = next((f for f in folders if named and (f / named[0][0]).is_file()), home)
    return [Pair(folder / name, captions) for name, captions in named]


def world_pairs(
    scenes: Iterable[int], settings: SceneSettings | None = None, *, pictures: int = 1, size: int = 160
) -> list[Pair]:
    """Pictures of procedural scenes, and a crop around each named object in them.

    Args:
        scenes: Their seeds.
        settings: What kind of scenes.
        pictures: Frames of each, in the middles of equal parts of it.
        size: Side of a crop in pixels.
    """
    out: list[Pair] = []
    for seed in scenes:
        scene = sample_scene(seed, settings or SceneSettings())
        clip = render(scene)
        for part in range(pictures):
            t = (2 * part + 1) * len(clip.frames) // (2 * pictures)
            frame, ids, counts = clip.frames[t], clip.ids[t], clip.area[t]
            named = [a for a in scene.actors if a.category is not None]
            shown = [a for a in named if counts[a.obj_id - 1] >= _MIN_PIXELS]
            out.append(Pair(frame.copy(), (frame_caption(shown, scene.setting),)))
            for actor in shown:
                ys, xs = np.nonzero(ids == actor.obj_id)
                box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
                out.append(Pair(crop_square(frame, box, size, margin=0.45), (actor_caption(actor),)))
    return out


def distinct_texts(texts: Iterable[str]) -> list[str]:
    """One spelling of each caption, in order."""
    return list({same_text(text): text for text in reversed(list(texts))}.values())[::-1]

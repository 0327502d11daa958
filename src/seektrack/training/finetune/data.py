"""Pictures with captions: readers of the common layouts, and how the training sees them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError
from seektrack.geometry import crop_square
from seektrack.training.datasets.corrected import CropOf, corrected_crops, corrected_files, read_corrected
from seektrack.training.datasets.left_out import LeftOuts
from seektrack.training.datasets.text_items import PictureOf
from seektrack.training.datasets.texts import read_texts
from seektrack.training.datasets.world import choose_world, is_world
from seektrack.world import SceneSettings, actor_caption, frame_caption, render, sample_scene

Picture: TypeAlias = NDArray[np.uint8]
Pairs: TypeAlias = Sequence[Any]
"""A picture each: ``(image, texts)`` or ``(image, texts, weight)``, or an object with ``image`` and ``texts``
(and ``weight``). The image is a path or RGB uint8 (H, W, 3), the texts a list that is not empty, the weight
how much the pair counts beside others of weight 1. Items may be made when they are asked for."""

WORLD_SCENES = 400
FRAMES = 4
"""Frames of a video or of a moment that are shown with its texts."""
_MIN_PIXELS = 60


@dataclass(frozen=True, eq=False)
class Pair:
    """One picture and what it is called.

    Attributes:
        image: Path, frame of a video, or RGB uint8 (H, W, 3).
        texts: Its captions, trimmed.
        weight: How much it counts.
    """

    image: Path | Picture | PictureOf | CropOf
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
    if not isinstance(image, Path | np.ndarray | PictureOf | CropOf):
        raise InputError(
            f"the picture of pair {index} is a {type(image).__name__}",
            hint="give a path or an RGB uint8 array (H, W, 3)",
        )
    return Pair(image, kept, float(weight))


def load_picture(image: Path | Picture | PictureOf | CropOf) -> Picture:
    """A picture as RGB uint8 (H, W, 3), as a viewer shows it and as it is indexed.

    Raises:
        InputError: The file is missing or no picture.
    """
    if isinstance(image, np.ndarray):
        return image
    return (PictureOf(image) if isinstance(image, Path) else image).load()


def same_text(text: str) -> str:
    """What two spellings of one caption have in common: no case, single spaces, no final full stop."""
    return " ".join(text.casefold().split()).rstrip(".")


def digest(pairs: Pairs) -> str:
    """A short hash of how many pairs there are and of the captions of up to 64 of them."""
    picked = sorted({int(i) for i in np.linspace(0, len(pairs) - 1, min(64, len(pairs)))})
    texts = [pair_at(pairs, i).texts for i in picked]
    return hashlib.sha256(json.dumps([len(pairs), texts]).encode()).hexdigest()[:16]


class PairSet(list[Pair]):
    """Pairs read from a data set.

    Args:
        pairs: What can be used.
        left_out: What cannot.
        name: What they were read from.
    """

    def __init__(self, pairs: Iterable[Pair], left_out: LeftOuts, name: str = "") -> None:
        super().__init__(pairs)
        self.left_out, self.name = left_out, name


def read_pairs(data: str | Path, *, split: str | None = None, frames: int = FRAMES) -> PairSet:
    """Read pictures with texts.

    Args:
        data: What :func:`seektrack.training.datasets.read_texts` takes: an own folder, COCO captions,
            Flickr30k, MSR-VTT, labelled moments, folders named by what their pictures show; results and
            sessions of seektrack, whose objects are cut out and called by their labels. Or
            ``world:SCENES`` with the options of `seektrack.training.datasets.choose_world` after commas, and
            ``pictures=``, the frames looked at in each scene.
        split: Part of the data set.
        frames: Frames of a video or a moment, each a pair of its own.

    Raises:
        InputError: Nothing of the kind is there, or nothing of it can be used.
    """
    text = os.fspath(data)
    if is_world(text):
        chosen = choose_world(text, count=WORLD_SCENES, others={"pictures": 1})
        return PairSet(
            world_pairs(chosen.seeds, chosen.settings, pictures=chosen.others["pictures"]), LeftOuts(), text
        )
    if not _has_captions(Path(text).expanduser()) and corrected_files(text):
        corrected, left_out = read_corrected(text)
        return PairSet([Pair(crop, texts) for crop, texts in corrected_crops(corrected, left_out)], left_out)
    found = read_texts(text, split=split, singles=False)
    pairs = []
    for item in found:
        if item.video:
            pairs += [Pair(shot, item.texts, item.weight) for shot in item.frames(frames)]
        else:
            pairs.append(Pair(item.file, item.texts, item.weight))
    return PairSet(pairs, found.left_out, text)


def _has_captions(path: Path) -> bool:
    """Whether a folder says what its files show, which is then learnt from."""
    return path.is_dir() and any((path / name).is_file() for name in ("captions.csv", "moments.csv"))


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

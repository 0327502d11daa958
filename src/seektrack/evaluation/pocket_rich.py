"""How good a pocket text encoder is on the world's rich scenes: eighteen categories, places, weather."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.evaluation.pocket_set import MARGIN, MIN_AREA, MIN_VISIBILITY
from seektrack.geometry import crop_square, mask_to_box
from seektrack.world import (
    CATEGORIES,
    COLOURS,
    EVERYDAY,
    SceneSettings,
    Split,
    frame_caption,
    render,
    sample_scene,
    seeds,
    vocabulary,
)
from seektrack.world.languages import LANGUAGES, noun_phrase

Image = NDArray[np.uint8]
NAMES = (*CATEGORIES, *EVERYDAY)
N_COLOURS = len(COLOURS)
FRAME_AREA, MOST_NAMED = 120, 6
"""Captions name objects of so many pixels; frames with more of them are left out."""
_MOST_SCENES = 20_000


@dataclass(frozen=True, eq=False)
class RichSet:
    """Rich pictures and what they show.

    Attributes:
        crops: Square crops around true boxes.
        labels: Category × colour number of each, categories as in ``NAMES``.
        frames: Whole frames, no two with the same caption.
        captions: Language → one caption of each frame: every visible named object, and where they are.
        shown: Label numbers of each frame's named objects.
    """

    crops: list[Image] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    frames: list[Image] = field(default_factory=list)
    captions: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in LANGUAGES})
    shown: list[list[int]] = field(default_factory=list)


def collect_rich(side: int, *, crops: int, frames: int, start: int = 0) -> RichSet:
    """Render rich validation scenes until there are enough crops and frames.

    Args:
        side: Of the crops in pixels.
        crops: Object crops wanted.
        frames: Frames wanted, each with a caption of its own.
        start: Where in the validation seeds to begin.
    """
    out, settings = RichSet(), SceneSettings(style="rich", n_frames=1, things=(0, 2))
    for seed in seeds(Split.VALIDATION, _MOST_SCENES, start=start):
        if len(out.crops) >= crops and len(out.frames) >= frames:
            break
        clip = render(sample_scene(seed, settings))
        picture, large = clip.frames[0], []
        for slot, actor in enumerate(clip.scene.actors):
            box = mask_to_box(clip.ids[0] == actor.obj_id)
            if box is None or clip.area[0, slot] < MIN_AREA or clip.visibility[0, slot] < MIN_VISIBILITY:
                continue
            if actor.category is None or actor.colour is None:
                continue
            number = NAMES.index(actor.category) * N_COLOURS + list(COLOURS).index(actor.colour)
            if len(out.crops) < crops:
                out.crops.append(crop_square(picture, box, side, margin=MARGIN))
                out.labels.append(number)
            if clip.area[0, slot] >= FRAME_AREA:
                large.append((number, actor))
        if not 1 <= len(large) <= MOST_NAMED or len(out.frames) >= frames:
            continue
        named = [actor for _, actor in sorted(large, key=lambda pair: pair[0])]
        texts = {name: frame_caption(named, clip.scene.setting, language=name) for name in LANGUAGES}
        if texts["en"] not in out.captions["en"]:
            out.frames.append(picture)
            out.shown.append([number for number, _ in large])
            for name, text in texts.items():
                out.captions[name].append(text)
    return out


def evaluate_rich(encoder: Encoder, *, crops: int, frames: int, start: int = 0) -> dict[str, float]:
    """Measure an encoder on held-out rich scenes.

    Returns:
        Shares in [0, 1]: ``crop162_rich`` (18 categories × 9 colours) and ``_de``, ``_fr``, ``_es``,
        ``category_rich`` and ``colour_rich`` of it, ``crop108_rich`` (crops of the plain world's categories
        among its labels); ``text_to_frame_r1_rich`` and ``_de``, ``_fr``, ``_es``, ``text_to_frame_r5_rich``,
        ``frame_object_p1_rich``.
    """
    found = collect_rich(encoder.image_size, crops=crops, frames=frames, start=start)
    labels = vocabulary(NAMES)["labels"]
    texts = encoder.embed_texts(labels)
    y, images = np.array(found.labels), encoder.embed_images(found.crops)
    n_plain = len(CATEGORIES) * N_COLOURS
    best = (images @ texts.T).argmax(1)
    plain = y < n_plain
    figures = {
        "crop162_rich": _share(best == y),
        "category_rich": _share(best // N_COLOURS == y // N_COLOURS),
        "colour_rich": _share(best % N_COLOURS == y % N_COLOURS),
        "crop108_rich": _share((images[plain] @ texts[:n_plain].T).argmax(1) == y[plain]),
    }
    for language in LANGUAGES[1:]:
        named = [noun_phrase(category, colour, language) for category in NAMES for colour in COLOURS]
        figures[f"crop162_rich_{language}"] = _share((images @ encoder.embed_texts(named).T).argmax(1) == y)
    whole = encoder.embed_images(found.frames)
    for language in LANGUAGES:
        similarity = whole @ encoder.embed_texts(found.captions[language]).T
        rank = (similarity > np.diag(similarity)[None]).sum(0)
        suffix = "" if language == "en" else f"_{language}"
        figures[f"text_to_frame_r1_rich{suffix}"] = _share(rank < 1)
        if language == "en":
            figures["text_to_frame_r5_rich"] = _share(rank < 5)
    shows = np.zeros((len(found.frames), len(labels)), bool)
    for row, numbers in enumerate(found.shown):
        shows[row, numbers] = True
    first = (whole @ texts.T).argmax(0)
    figures["frame_object_p1_rich"] = _share([shows[first[q], q] for q in np.flatnonzero(shows.any(0))])
    return figures


def _share(values: object) -> float:
    array = np.asarray(values)
    return round(float(array.mean()), 4) if array.size else float("nan")

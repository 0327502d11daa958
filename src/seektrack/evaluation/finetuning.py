"""What a fine-tuning brings where the pocket models are strangers: grey scans of categories they never met.

The scenes are those of the benchmark split, in the style ``scan``, with the categories of
`seektrack.world.HELD_OUT`; pocket training sees neither. Figures come one an item, so that two models can be
compared item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import Encoder
from seektrack.errors import InputError
from seektrack.evaluation.pocket_sam2 import Follower, followed
from seektrack.evaluation.pocket_set import MARGIN, MIN_AREA, MIN_VISIBILITY
from seektrack.geometry import crop_square, mask_to_box
from seektrack.world import (
    ALL_CATEGORIES,
    HELD_OUT,
    Clip,
    SceneSettings,
    Split,
    frame_caption,
    render,
    sample_scene,
    seeds,
)
from seektrack.world.languages import noun_phrase

Values: TypeAlias = NDArray[np.float64]
STRANGE = tuple(HELD_OUT)
KNOWN = tuple(name for name in ALL_CATEGORIES if name not in HELD_OUT)
WAYS = 10
"""Crops a name is asked of: one that shows it, two of each other held-out category, the rest known ones."""
_FIRST_CLIP, _FIRST_CROP, _FIRST_KNOWN = 20_000, 30_000, 40_000
_MOST_SCENES = 5_000


def scans(n_frames: int = 1, categories: Sequence[str] = STRANGE) -> SceneSettings:
    """Grey scans of 256 pixels a side with the given categories."""
    return SceneSettings(style="scan", categories=tuple(categories), n_frames=n_frames)


def follow_scores(
    follow: Follower,
    settings: SceneSettings,
    clips: int,
    *,
    look: Callable[[int], Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] | None = None,
) -> Values:
    """J&F of every object of so many benchmark clips, followed from its box on the first frame.

    Args:
        follow: What answers, see :mod:`seektrack.evaluation.pocket_sam2`.
        settings: Of the clips: ``scans(24)``, or ``SceneSettings()`` for what the model knew before.
        clips: How many.
        look: From a clip's seed to what is made of each of its pictures.
    """
    scores: list[float] = []
    for seed in seeds(Split.BENCHMARK, clips, start=_FIRST_CLIP):
        clip = render(sample_scene(seed, settings))
        if look is not None:
            clip = replace(clip, frames=np.stack([*map(look(seed), clip.frames)]))
        scores += [value for _, _, value, _ in followed(follow, clip, np.random.default_rng(seed), ("box",))]
    return np.array(scores)


@dataclass(frozen=True, eq=False)
class ScanSet:
    """Scans and what they show.

    Attributes:
        crops, names: Crops around objects of held-out categories, and their categories.
        others: Crops of the categories the pocket models know, drawn as scans.
        frames, captions: Frames of held-out objects, no two showing the same ones, and a sentence of each.
    """

    crops: list[NDArray[np.uint8]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    others: list[NDArray[np.uint8]] = field(default_factory=list)
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)


def collect_scans(side: int, *, crops: int = 200, frames: int = 40) -> ScanSet:
    """Render benchmark scans until there are enough crops, of known categories as many, and enough frames.

    Args:
        side: Of the crops in pixels.
        crops: Wanted of held-out categories, at least one of each.
        frames: Wanted.

    Raises:
        InputError: So many different frames do not exist.
    """
    out, told = ScanSet(), set[tuple[str, ...]]()
    for seed in seeds(Split.BENCHMARK, _MOST_SCENES, start=_FIRST_CROP):
        if len(out.frames) >= frames and len(out.crops) >= crops and set(out.names) == set(STRANGE):
            break
        clip = render(sample_scene(seed, scans()))
        shown = _shown(clip)
        for slot in shown:
            if len(out.crops) < crops or clip.scene.actors[slot].category not in out.names:
                out.crops.append(_crop(clip, slot, side))
                out.names.append(str(clip.scene.actors[slot].category))
        actors = [clip.scene.actors[slot] for slot in shown]
        key = tuple(sorted(str(actor.category) for actor in actors))
        if actors and key not in told and len(out.frames) < frames:
            told.add(key)
            out.frames.append(clip.frames[0])
            out.captions.append(frame_caption(actors, clip.scene.setting))
    if len(out.frames) < frames:
        raise InputError(f"only {len(out.frames)} frames differ in what they show, not {frames}")
    for seed in seeds(Split.BENCHMARK, _MOST_SCENES, start=_FIRST_KNOWN):
        if len(out.others) >= crops:
            break
        clip = render(sample_scene(seed, scans(categories=KNOWN)))
        out.others.extend(_crop(clip, slot, side) for slot in _shown(clip))
    return out


def _shown(clip: Clip) -> list[int]:
    enough = (clip.area[0] >= MIN_AREA) & (clip.visibility[0] >= MIN_VISIBILITY)
    return [slot for slot, actor in enumerate(clip.scene.actors) if actor.category and enough[slot]]


def _crop(clip: Clip, slot: int, side: int) -> NDArray[np.uint8]:
    box = mask_to_box(clip.ids[0] == clip.scene.actors[slot].obj_id)
    if box is None:
        raise InputError(f"object {slot + 1} of scene {clip.scene.seed} is not on its first frame")
    return crop_square(clip.frames[0], box, side, margin=MARGIN)


def text_scores(encoder: Encoder, found: ScanSet) -> dict[str, Values]:
    """How well names and sentences find scans; 1 for right and 0 for wrong, one an item.

    Returns:
        ``text_to_crop_r1``: each held-out crop's name asked of :data:`WAYS` crops of which it alone shows
        such a thing. ``crop_named``: the crop asked for its name among all the world's categories.
        ``text_to_frame_r1``: each frame's sentence asked of all frames.
    """
    names = {category: noun_phrase(category, None, "en") for category in ALL_CATEGORIES}
    texts = encoder.embed_texts(list(names.values()))
    row = {category: i for i, category in enumerate(names)}
    crops, others = encoder.embed_images(found.crops), encoder.embed_images(found.others)
    y = np.array([row[name] for name in found.names])
    like = crops @ texts.T
    rng = np.random.default_rng(0)
    right = []
    for i, label in enumerate(y):
        rivals = [rng.choice(np.flatnonzero(y == row[o]), 2) for o in STRANGE if row[o] != label]
        strange = like[np.concatenate(rivals), label]
        known = others[rng.choice(len(others), WAYS - 1 - len(strange))] @ texts[label]
        right.append(like[i, label] > max(strange.max(), known.max()))
    whole = encoder.embed_images(found.frames) @ encoder.embed_texts(found.captions).T
    return {
        "text_to_crop_r1": np.array(right, float),
        "crop_named": (like.argmax(1) == y).astype(float),
        "text_to_frame_r1": (whole.argmax(0) == np.arange(len(whole))).astype(float),
    }


@dataclass(frozen=True)
class Change:
    """Two models on the same items.

    Attributes:
        before, after: Means.
        error: Standard error of the difference, the items paired.
        items: How many.
    """

    before: float
    after: float
    error: float
    items: int

    @property
    def gain(self) -> float:
        """By how much the second is better."""
        return self.after - self.before

    def __str__(self) -> str:
        return f"{self.before:.3f} → {self.after:.3f} ({self.gain:+.3f} ± {self.error:.3f})"


def change(before: Sequence[float] | Values, after: Sequence[float] | Values) -> Change:
    """Compare two models item by item.

    Raises:
        InputError: They were not measured on the same number of items, or on none.
    """
    one, two = np.asarray(before, float), np.asarray(after, float)
    if one.shape != two.shape or one.ndim != 1 or not one.size:
        raise InputError(
            f"{one.shape} and {two.shape} values cannot be compared item by item",
            hint="measure both models on the same scenes",
        )
    error = float(np.std(two - one, ddof=1) / np.sqrt(len(one))) if len(one) > 1 else float("nan")
    return Change(float(one.mean()), float(two.mean()), error, len(one))

"""The procedural world as training data, through the same doors as data from disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from seektrack.errors import InputError
from seektrack.training.datasets.base import BoxClip, Dataset, FrameMasks, ImageText, MaskClip
from seektrack.types import Mask
from seektrack.video import VideoSource, open_video
from seektrack.world import (
    Clip,
    SceneSettings,
    Split,
    actor_caption,
    frame_caption,
    render,
    sample_scene,
    seeds,
    truth,
)
from seektrack.world.setting import MIN_PIXELS

WORLD_FPS = 25
FIRST_SEED = 40_000_000
"""Of what ``world:`` names, in the training split; the pocket recipes' stages end far below."""

_NUMBERS = {"frames": "24", "size": "256", "start": "0"}
_EXAMPLE = "world:200,style=scan,categories=snail+umbrella,frames=24,size=256,start=0"


@dataclass(frozen=True)
class WorldChoice:
    """Scenes of the training split, as ``--data world:…`` names them.

    Attributes:
        seeds: One a scene.
        settings: Of every scene.
        others: Numbers given for further options, by name.
    """

    seeds: range
    settings: SceneSettings
    others: dict[str, int]


def is_world(text: str) -> bool:
    """Whether a text names scenes of the world and no file."""
    return text == "world" or text.startswith(("world:", "world,"))


def choose_world(text: str, *, count: int = 200, others: dict[str, int] | None = None) -> WorldChoice:
    """Read ``world:COUNT`` with options after commas.

    Args:
        text: The options are ``style=``, ``categories=`` (joined by ``+``), ``frames=``, ``size=`` and
            ``start=``, the number of scenes to pass over.
        count: Scenes where the text gives no number.
        others: Further options that take a number from 1 on, with what they are when left out.

    Raises:
        InputError: An option is unknown or its value unfit.
    """
    further = others or {}
    first, *options = text.removeprefix("world").lstrip(":,").split(",") if text != "world" else [str(count)]
    if "=" in first:
        first, options = str(count), [first, *options]
    given: dict[str, str] = {}
    example = _EXAMPLE + "".join(f",{name}={value}" for name, value in further.items())
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or name not in ("style", "categories", *_NUMBERS, *further):
            raise InputError(f"{text!r}: {option!r} is no option of the world", hint=f"write {example}")
        given[name] = value
    defaults = _NUMBERS | {name: str(value) for name, value in further.items()}
    numbers = {"number of scenes": first, **{name: given.get(name, d) for name, d in defaults.items()}}
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
    chosen = seeds(Split.TRAIN, int(first), start=FIRST_SEED + int(numbers["start"]))
    return WorldChoice(chosen, settings, {name: int(numbers[name]) for name in further})


class WorldClip:
    """One scene, drawn when it is first looked at.

    Args:
        seed: Of the scene.
        settings: What kind of scene.
    """

    def __init__(self, seed: int, settings: SceneSettings) -> None:
        self.scene = sample_scene(seed, settings)
        self.seed, self.settings = seed, settings

    @cached_property
    def clip(self) -> Clip:
        """The drawn scene."""
        return render(self.scene)

    def open(self) -> VideoSource:
        """Its frames as a video."""
        return open_video(self.clip.frames, fps=WORLD_FPS)

    def annotation(self, index: int) -> FrameMasks | None:
        """Masks of a frame; an object with fewer visible pixels than the world counts as seen is void."""
        if not 0 <= index < len(self.clip.ids):
            return None
        ids = self.clip.ids[index]
        sizes = np.bincount(ids.ravel())
        slivers = [i for i in range(1, len(sizes)) if 0 < sizes[i] < MIN_PIXELS]
        void = np.isin(ids, slivers)
        known = FrameMasks.from_labels(np.where(void, 0, ids))
        return FrameMasks(known.masks, Mask.from_array(void) if slivers else None)

    def __reduce__(self) -> tuple[type[WorldClip], tuple[int, SceneSettings]]:
        return WorldClip, (self.seed, self.settings)


def world_texts(seeds: Sequence[int], settings: SceneSettings | None = None) -> Dataset[ImageText]:
    """One picture a seed, the middle of its scene, with a caption of every named object seen in it.

    The texts are one sentence for all, then one for each object. Seeds come from `seektrack.world.seeds`,
    which keeps training and validation apart.
    """
    return Dataset([str(s) for s in seeds], partial(_text, settings or SceneSettings()))


def world_masks(seeds: Sequence[int], settings: SceneSettings | None = None) -> Dataset[MaskClip]:
    """One clip a seed with the masks of all its objects; nameless things have no category."""
    return Dataset([str(s) for s in seeds], partial(_masks, settings or SceneSettings()))


def world_boxes(seeds: Sequence[int], settings: SceneSettings | None = None) -> Dataset[BoxClip]:
    """One clip a seed with the tracks of its named objects."""
    return Dataset([str(s) for s in seeds], partial(_boxes, settings or SceneSettings()))


def _text(settings: SceneSettings, key: str) -> ImageText:
    made = WorldClip(int(key), settings)
    middle = settings.n_frames // 2
    area = made.clip.area[middle]
    seen = [a for a in made.scene.actors if a.category is not None and area[a.obj_id - 1] >= MIN_PIXELS]
    texts = (frame_caption(seen, made.scene.setting), *(actor_caption(a) for a in seen))
    return ImageText(key, made.clip.frames[middle], tuple(dict.fromkeys(texts)))


def _masks(settings: SceneSettings, key: str) -> MaskClip:
    made = WorldClip(int(key), settings)
    categories = {a.obj_id: actor_caption(a) for a in made.scene.actors if a.category is not None}
    return MaskClip(key, made.open, made.annotation, categories)


def _boxes(settings: SceneSettings, key: str) -> BoxClip:
    made = WorldClip(int(key), settings)
    fps = made.open().info.fps
    return BoxClip(key, made.open, truth(made.scene, made.clip.ids, made.clip.full_area, fps=fps))

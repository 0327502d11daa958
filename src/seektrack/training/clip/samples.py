"""Training batches: crops around imperfect boxes, crops of nothing, frames and tiles, each with a text."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import Box, crop_square
from seektrack.training.clip.frames import FrameStore, Objects, decode_rgb, encode_rgb
from seektrack.training.clip.matching import NO_LABEL, REJECT, Ask, Batch, Sample, near_miss
from seektrack.training.clip.names import ANY, NOWHERE, Item, Where
from seektrack.training.clip.recipe import ClipRecipe
from seektrack.training.clip.texts import query, unknown
from seektrack.world.setting import LIGHTS, WEATHERS

Image = NDArray[np.uint8]
MIN_AREA, MIN_VISIBILITY = 60, 0.3
"""Below this many pixels, or this visible share, an object is not asked for."""
MIN_SCENE_AREA = 120
"""Smaller objects are not named in the text of a whole frame."""
PATCH_COVERED, PATCH_FREE = 0.15, 0.03
"""A patch shows the object that covers this share of it, and nothing below the other."""
BACKGROUND_SHARE = 0.2
"""A region holding less than this share of every object shows none."""
_DAY, _CLEAR = LIGHTS.index("day"), WEATHERS.index("clear")


def visible(objects: Objects) -> NDArray[np.intp]:
    """Which objects can fairly be asked for."""
    return np.flatnonzero((objects.area >= MIN_AREA) & (objects.visibility >= MIN_VISIBILITY))


def jitter(box: Box, rng: np.random.Generator) -> Box:
    """A proposal of it: usually close, sometimes shifted, scaled, or of a part only."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    kind = rng.random()
    if kind < 0.25:
        return box
    if kind < 0.8:
        d = rng.normal(0, 0.07, 4)
        return x0 + d[0] * w, y0 + d[1] * h, x1 + d[2] * w, y1 + d[3] * h
    if kind < 0.9:
        grow = rng.uniform(0.0, 0.35, 4)
        return x0 - grow[0] * w, y0 - grow[1] * h, x1 + grow[2] * w, y1 + grow[3] * h
    share, side = rng.uniform(0.55, 0.85), rng.integers(4)
    if side == 0:
        return x0, y0, x0 + w * share, y1
    if side == 1:
        return x1 - w * share, y0, x1, y1
    if side == 2:
        return x0, y0, x1, y0 + h * share
    return x0, y1 - h * share, x1, y1


def augment(image: Image, rng: np.random.Generator, *, mirror: bool = True) -> Image:
    """Mild changes under which names hold: exposure, mirror, blur, noise, compression; never the hue."""
    out: NDArray[Any] = np.ascontiguousarray(image[:, ::-1] if mirror and rng.random() < 0.5 else image)
    if rng.random() < 0.7:
        out = cv2.addWeighted(out, rng.uniform(0.82, 1.18), out, 0.0, rng.uniform(-12, 12))
    roll = rng.random()
    if roll < 0.1:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 1.5))
    elif roll < 0.2:
        grain = rng.normal(0, rng.uniform(2, 10), out.shape[:2]).astype(np.int16)
        out = cv2.add(out, grain[..., None].repeat(3, 2), dtype=cv2.CV_8U)
    elif roll < 0.3:
        out = decode_rgb(encode_rgb(np.asarray(out, np.uint8), int(rng.integers(30, 85))))
    return np.asarray(out, dtype=np.uint8)


def asked_of_crop(item: Item, rng: np.random.Generator) -> Item:
    """What a text asks of a crop of an object: mostly its name, else its category, its colour or anything."""
    roll = rng.random()
    if item == (ANY, ANY) or roll >= 0.96:
        return ANY, ANY
    if roll < 0.72:
        return item
    return (item[0], ANY) if roll < 0.87 else (ANY, item[1])


def asked_of_place(where: Where, rng: np.random.Generator) -> Where:
    """What a text says of where a scene plays: all that is worth saying, the place alone, or nothing."""
    place, light, weather = where
    roll = rng.random()
    if place == ANY or roll < 0.35:
        return NOWHERE
    if roll < 0.5:
        return place, ANY, ANY
    return place, light if light != _DAY else ANY, weather if weather != _CLEAR else ANY


def background_box(id_map: NDArray[np.uint8], objects: Objects, rng: np.random.Generator) -> Box | None:
    """A square whose surroundings, as cropped, hold less than a fifth of every object."""
    h, w = id_map.shape
    for _ in range(6):
        side = float(np.exp(rng.uniform(np.log(12), np.log(130))))
        ratio = float(np.exp(rng.uniform(-0.6, 0.6)))
        bw, bh = side * ratio**0.5, side / ratio**0.5
        cx, cy = rng.uniform(0, w), rng.uniform(0, h)
        reach = max(bw, bh) / 2 * 1.45 + 1
        x0, x1 = int(max(0, cx - reach)), int(min(w, cx + reach))
        y0, y1 = int(max(0, cy - reach)), int(min(h, cy + reach))
        window = id_map[y0:y1, x0:x1]
        if window.size == 0:
            continue
        inside = np.bincount(window.ravel(), minlength=256)[objects.ids]
        covered = float((window > 0).mean())
        if (inside < BACKGROUND_SHARE * objects.area).all() and covered < 0.12:
            return cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2
    return None


def patch_labels(id_map: NDArray[np.uint8], objects: Objects, grid: int) -> NDArray[np.int64]:
    """What each patch of a frame shows, int (grid, grid).

    The label of the object that covers most of it, from ``PATCH_COVERED`` of the patch on; ``REJECT`` for
    nameless things and where there is nothing; ``NO_LABEL`` for a rim, or an object too hidden to be named.
    """
    if not len(objects.ids):
        return np.full((grid, grid), REJECT, np.int64)
    cover = np.stack(
        [
            cv2.resize((id_map == i).astype(np.float32), (grid, grid), interpolation=cv2.INTER_AREA)
            for i in objects.ids
        ]
    )
    labels = np.where(objects.names[:, 0] == ANY, REJECT, objects.names[:, 0] * 9 + objects.names[:, 1])
    labels = np.where(np.isin(np.arange(len(labels)), visible(objects)), labels, NO_LABEL)
    most = cover.max(0)
    out = labels[cover.argmax(0)]
    out[most < PATCH_COVERED] = NO_LABEL
    out[most < PATCH_FREE] = REJECT
    return np.asarray(out, np.int64)


class Sampler:
    """Draws batches; step ``n`` of equal recipes on equal pictures draws the same batch.

    Args:
        store: Rendered pictures.
        recipe: How many of each kind.
    """

    def __init__(self, store: FrameStore, recipe: ClipRecipe) -> None:
        self.store, self.recipe = store, recipe
        self.side = recipe.sizes.image_size

    def _name(self, objects: Objects, slot: int) -> Item:
        return int(objects.names[slot, 0]), int(objects.names[slot, 1])

    def _crop(self, picture: Image, box: Box, rng: np.random.Generator) -> Image:
        margin = 0.45 if rng.random() < 0.5 else float(rng.uniform(0.25, 0.65))
        fine = bool(self.recipe.fine_crops) and rng.random() < self.recipe.fine_crops
        side = self.recipe.sizes.fine_size if fine else self.side
        return augment(crop_square(picture, box, side, margin=margin), rng)

    def object_crop(self, picture: Image, objects: Objects, slot: int, rng: np.random.Generator) -> Sample:
        """The object in a crop around an imperfect box."""
        item = self._name(objects, slot)
        x0, y0, x1, y1 = objects.boxes[slot]
        image = self._crop(picture, jitter((x0, y0, x1, y1), rng), rng)
        label = REJECT if item == (ANY, ANY) else item[0] * 9 + item[1]
        return Sample(image, [item], [asked_of_crop(item, rng)], label)

    def scene(self, index: int, picture: Image, rng: np.random.Generator) -> Sample:
        """The whole frame, or a half-size tile of it; ``picture`` is the store's ``index``-th."""
        objects, where, h, w = self.store.objects(index), self.store.where(index), *picture.shape[:2]
        shown = visible(objects)
        large = objects.area >= MIN_SCENE_AREA
        if rng.random() >= self.recipe.whole:
            th, tw = h // 2, w // 2
            y, x = int(rng.integers(0, h - th + 1)), int(rng.integers(0, w - tw + 1))
            picture = picture[y : y + th, x : x + tw]
            id_map = self.store.id_map(index)[y : y + th, x : x + tw]
            inside = np.bincount(id_map.ravel(), minlength=256)[objects.ids]
            shown = np.flatnonzero(
                (inside >= MIN_AREA) & (inside >= 0.4 * objects.area) & (objects.visibility >= 0.3)
            )
            large = np.ones_like(large)
        how = cv2.INTER_AREA if rng.random() < 0.6 else cv2.INTER_CUBIC
        shrunk = cv2.resize(picture, (self.side, self.side), interpolation=how)
        image = augment(np.asarray(shrunk, np.uint8), rng)
        present = [self._name(objects, int(s)) for s in shown]
        named = [self._name(objects, int(s)) for s in shown if large[s] and objects.names[s, 0] != ANY]
        order = [named[int(j)] for j in rng.permutation(len(named))][: self.recipe.named]
        if order and rng.random() < 0.5:
            order = order[: int(rng.integers(1, len(order) + 1))]
        if len(order) == 1 and rng.random() < 0.25:
            order = [asked_of_crop(order[0], rng)]
        said = asked_of_place(where, rng)
        if said != NOWHERE and rng.random() < 0.06:
            order = []
        if not present and where != NOWHERE:
            said = where
        if not order and present and said == NOWHERE:
            # Nothing in it can be named: any of its nameless things may be asked for.
            order = [(ANY, ANY)]
        return Sample(image, present, order, NO_LABEL, where=where, asked_where=said)

    def frame(self, index: int, rng: np.random.Generator) -> Sample:
        """A whole frame at the fine side; its text names, mostly, all that it shows."""
        picture, ids, objects = self.store.picture(index), self.store.id_map(index), self.store.objects(index)
        if rng.random() < 0.5:
            picture, ids = picture[:, ::-1], ids[:, ::-1]
        side = self.recipe.sizes.fine_size
        how = cv2.INTER_AREA if rng.random() < 0.6 else cv2.INTER_CUBIC
        shrunk = cv2.resize(np.ascontiguousarray(picture), (side, side), interpolation=how)
        image = augment(np.asarray(shrunk, np.uint8), rng, mirror=False)
        present = [self._name(objects, int(s)) for s in visible(objects)]
        named = [item for item in present if item != (ANY, ANY)]
        asked = [named[int(j)] for j in rng.permutation(len(named))][: self.recipe.named]
        if asked and rng.random() < 0.3:
            asked = asked[: int(rng.integers(1, len(asked) + 1))]
        where = self.store.where(index)
        said = asked_of_place(where, rng)
        if not asked and present and said == NOWHERE:
            asked = [(ANY, ANY)]
        patches = patch_labels(np.ascontiguousarray(ids), objects, side // self.recipe.sizes.patch_size)
        return Sample(image, present, asked, NO_LABEL, where=where, asked_where=said, patches=patches)

    def batch(self, step: int, *, early: bool = False) -> Batch:
        """Samples of a step and their texts, then texts that almost fit, then texts that match nothing.

        Args:
            step: Number of the step; it alone decides what is drawn.
            early: Smaller pictures and fewer scenes, as in the first part of the training.
        """
        r = self.recipe
        self.side = r.early_size if early else r.sizes.image_size
        n_scenes = r.early_scenes if early else r.scenes
        n_objects = r.objects + r.scenes - n_scenes
        rng = np.random.default_rng((r.seed, 7, step))
        crops: list[Sample] = []
        things: list[Sample] = []
        blanks: list[Sample] = []
        scenes: list[Sample] = []
        tries = 0
        while tries < 400 and not (
            len(crops) >= n_objects and len(blanks) >= r.backgrounds and len(scenes) >= n_scenes
        ):
            tries += 1
            index = int(rng.integers(len(self.store)))
            picture, objects = self.store.picture(index), self.store.objects(index)
            shown = visible(objects)
            named = [int(s) for s in shown if objects.names[s, 0] != ANY]
            rest = [int(s) for s in shown if objects.names[s, 0] == ANY]
            for slot in rng.permutation(named)[:2]:
                if len(crops) < n_objects:
                    crops.append(self.object_crop(picture, objects, int(slot), rng))
            for slot in rest[:1]:
                if len(things) < r.things:
                    things.append(self.object_crop(picture, objects, slot, rng))
            if len(blanks) < r.backgrounds and (
                box := background_box(self.store.id_map(index), objects, rng)
            ):
                blanks.append(Sample(self._crop(picture, box, rng), [], [], REJECT))
            if len(scenes) < n_scenes:
                scenes.append(self.scene(index, picture, rng))
        scenes += [self.frame(int(rng.integers(len(self.store))), rng) for _ in range(r.frames)]
        samples = crops + things + blanks + scenes
        tries_of = [near_miss(s, rng, r.n_categories) for s in scenes for _ in range(r.hard_texts)]
        extra: list[Ask] = [ask for ask in tries_of if ask is not None]
        texts = [query(s.asked, rng, s.asked_where) for s in samples]
        texts += [query(ask.items, rng, ask.where) for ask in extra]
        return Batch(samples, texts + [unknown(rng) for _ in range(r.unknown_texts)], extra)

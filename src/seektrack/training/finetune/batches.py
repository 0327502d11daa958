"""From pairs to the batches of a step: who is held out, in which order, cropped and coloured how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.encoders import TEMPLATES, Encoder, is_noun_query
from seektrack.encoders.contrast import names_that_compete
from seektrack.encoders.prompts import expand
from seektrack.errors import InputError
from seektrack.training.clip.frames import decode_rgb, encode_rgb
from seektrack.training.finetune.data import Pairs, Picture, load_picture, pair_at, same_text
from seektrack.training.finetune.recipe import CONTRAST, FEW, FinetuneRecipe
from seektrack.training.scale import Scale

FEWEST = 4
"""Fewer pairs than this teach nothing."""
_WORD = re.compile(r"[^\W\d_]+")
_SIDES = re.compile(r"\b(left|right|links|rechts|gauche|droite|izquierda|derecha)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step sees.

    Attributes:
        images: RGB uint8 pictures of any sizes, those of this process.
        texts: One caption of each of them.
        matches: float32 (B, B) over the whole batch, 1 where the picture of the row carries the caption of
            the column.
        weights: float32 (B,), likewise.
        others: Texts that are true of none, the same for every process.
    """

    images: list[Picture]
    texts: list[str]
    matches: NDArray[np.float32]
    weights: NDArray[np.float32]
    others: tuple[str, ...] = ()


def split_pairs(count: int, recipe: FinetuneRecipe) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the pairs to train on and of those held out, both in order; the seed alone decides.

    Raises:
        InputError: Too few pairs.
    """
    held = min(recipe.max_held_out, max(2, round(count * recipe.held_out))) if recipe.held_out else 0
    if count - held < FEWEST:
        raise InputError(
            f"{count} pairs, {held} of them held out, are too few to train on",
            hint=f"give at least {FEWEST} beside the held-out share",
        )
    order = np.random.default_rng((recipe.seed, 1)).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


def augment(image: Picture, rng: np.random.Generator, *, mirror: bool = True) -> Picture:
    """Crop at least 60 % of the area, and change mildly what names do not speak of; never the hue.

    Args:
        image: RGB uint8 (H, W, 3).
        rng: Decides.
        mirror: Whether left and right may change places.
    """
    h, w = image.shape[:2]
    area = rng.uniform(0.6, 1.0)
    ratio = float(np.exp(rng.uniform(-0.15, 0.15)))
    ch, cw = min(h, max(1, round(h * area**0.5 / ratio))), min(w, max(1, round(w * area**0.5 * ratio)))
    y, x = int(rng.integers(0, h - ch + 1)), int(rng.integers(0, w - cw + 1))
    out = np.ascontiguousarray(image[y : y + ch, x : x + cw])
    if rng.random() < 0.5 and mirror:
        out = np.ascontiguousarray(out[:, ::-1])
    if rng.random() < 0.7:
        gain, offset = rng.uniform(0.82, 1.18), rng.uniform(-12, 12)
        out = np.clip(out.astype(np.float32) * gain + offset, 0, 255).astype(np.uint8)
    roll = rng.random()
    if roll < 0.1:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 1.2)), np.uint8)
    elif roll < 0.2:
        out = decode_rgb(encode_rgb(out, int(rng.integers(30, 85))))
    return out


class Batches:
    """Draws batches; step ``n`` of equal recipes on equal data draws the same one.

    Several processes draw the same order and the same augmentation of each pair, and open the pictures of
    their own share only.

    Args:
        pairs: All of them.
        chosen: Numbers of those to train on.
        recipe: Batch, augmentation, seed.
        scale: The processes that share each batch.
        others: Texts true of none of the pairs, of which each step takes some.

    Raises:
        InputError: They cannot share it evenly.
    """

    def __init__(
        self,
        pairs: Pairs,
        chosen: NDArray[np.intp],
        recipe: FinetuneRecipe,
        scale: Scale | None = None,
        others: Sequence[str] = (),
    ) -> None:
        self.others = tuple(others)
        self.pairs, self.chosen, self.recipe, self.scale = pairs, chosen, recipe, scale
        self.size = min(recipe.batch, len(chosen))
        if scale is not None:
            scale.fits(recipe.batch)
            self.size -= self.size % scale.world
        self.per_epoch = len(chosen) // self.size

    def __call__(self, step: int) -> Batch:
        """The batch of a step; an epoch leaves out what does not fill its last one."""
        r = self.recipe
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng((r.seed, 2, epoch)).permutation(self.chosen)
        drawn = [pair_at(self.pairs, int(i)) for i in order[place * self.size : (place + 1) * self.size]]
        rngs = [np.random.default_rng((r.seed, 3, step, i)) for i in range(len(drawn))]
        texts = [p.texts[int(rng.integers(len(p.texts)))] for p, rng in zip(drawn, rngs, strict=True)]
        mine = self.scale.share(range(len(drawn))) if self.scale is not None else range(len(drawn))
        images = []
        for i in mine:
            image = load_picture(drawn[i].image)
            if r.augment:
                mirror = not any(_SIDES.search(text) for text in drawn[i].texts)
                image = augment(image, rngs[i], mirror=mirror)
            images.append(image)
        weights = np.array([pair.weight for pair in drawn], np.float32)
        matches = match_matrix([pair.texts for pair in drawn], texts)
        if r.wordings:
            texts = [self._worded(text, rng) for text, rng in zip(texts, rngs, strict=True)]
        return Batch(images, [texts[i] for i in mine], matches, weights, self._others(step))

    def _others(self, step: int) -> tuple[str, ...]:
        rng = np.random.default_rng((self.recipe.seed, 4, step))
        asked = CONTRAST if self.recipe.contrast is None else self.recipe.contrast
        count = min(asked, len(self.others))
        return tuple(self.others[int(i)] for i in rng.choice(len(self.others), count, replace=False))

    def _worded(self, text: str, rng: np.random.Generator) -> str:
        """A caption as it is, or, where it names a thing, in the words of a template."""
        if rng.random() >= self.recipe.wordings or not is_noun_query(text):
            return text
        templates = self.recipe.templates or TEMPLATES["enriched"]
        return expand(text, [templates[int(rng.integers(len(templates)))]])[0]


def other_names(encoder: Encoder, pairs: Pairs, contrast: int | None) -> list[str]:
    """Names an encoder knows that share no word with a caption of the pairs, where any are asked for.

    Unasked only of one that says what it knows: a reader joined and taught nothing yet knows none.
    """
    captions = {same_text(text) for i in range(len(pairs)) for text in pair_at(pairs, i).texts}
    if contrast is None and (len(captions) >= FEW or not getattr(encoder, "vocabulary", None)):
        return []
    if contrast == 0:
        return []
    said = {word for text in captions for word in _WORD.findall(text.lower())}
    names = names_that_compete(encoder)
    return [name for name in names if not said & {w for w in _WORD.findall(name.lower()) if len(w) > 2}]


def match_matrix(captions: list[tuple[str, ...]], texts: list[str]) -> NDArray[np.float32]:
    """1 where a picture (row) carries a text (column) among its captions, however spelt."""
    carried = [{same_text(caption) for caption in of_one} for of_one in captions]
    asked = [same_text(text) for text in texts]
    return np.array([[text in of_one for text in asked] for of_one in carried], np.float32)

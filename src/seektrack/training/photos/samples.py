"""Batches of photographs: named tiles, named things in films, and regions nobody named."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seektrack.geometry import crop_square, masked_crop
from seektrack.training.clip.frames import decode_rgb, encode_rgb
from seektrack.training.clip.samples import jitter
from seektrack.training.photos.names import Concepts
from seektrack.training.photos.recipe import PhotoRecipe
from seektrack.training.photos.scenes import Films, Image, Photographs, away_crop, unnamed_crop, with_things
from seektrack.training.photos.tiles import TILE, Tiles

CROP = 112
"""Side in pixels of the crops that the encoder is given."""
QUALITY = (72, 92)
"""Of the JPEG that a crop passes, about that of the tiles: 80."""
COARSE = 0.4
"""Share of all pictures whose colours are coarser still, so that how coarse they are means nothing."""
STRETCH = 0.25
"""Standard deviation of the logarithm of width to height of what is stretched."""
IN_TILES = 0.5
"""As often as elsewhere a tile is masked: only roughly, as nobody drew what it shows."""
UNNAMED = -1
"""Concept number of a crop that shows none."""
AWAY = 0.4
"""Share of those that are taken from films, beside the thing they show."""


class PhotoSampler:
    """Draws batches; step ``n`` of equal recipes on equal data draws the same batch.

    Args:
        tiles: Named tiles.
        concepts: What they may show.
        recipe: How many of each kind.
        photographs: For crops without a name, around tiles, and for what was named in them; None for none.
        films: Named things in films; None for none.
    """

    def __init__(
        self,
        tiles: Tiles,
        concepts: Concepts,
        recipe: PhotoRecipe,
        *,
        photographs: Photographs | None = None,
        films: Films | None = None,
    ) -> None:
        self.tiles, self.recipe = tiles, recipe
        self.photographs, self.films = photographs, films
        self.shown = with_things(films, photographs)
        people = concepts.kind_of[tiles.concepts, concepts.number["person"]]
        often = np.where(people, recipe.people, 1.0)
        self._ends = np.cumsum(often) / often.sum()

    def batch(
        self, step: int, *, view: int, late: bool = False
    ) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """Pictures uint8 (B, view, view, 3) of a step, and the number of the concept of each.

        Args:
            step: Number of the step; it alone decides what is drawn.
            view: Side in pixels.
            late: With more that nobody named, as in the last part of training.
        """
        r, rng = self.recipe, np.random.default_rng((self.recipe.seed, 11, step))
        n_tiles, n_films, n_unnamed = (
            (r.late_tiles, r.late_films, r.late_unnamed) if late else (r.tiles, r.films, r.unnamed)
        )
        which = np.minimum(np.searchsorted(self._ends, rng.random(n_tiles)), len(self.tiles.concepts) - 1)
        pictures = [self._tile(int(i), view, rng) for i in which]
        numbers = self.tiles.concepts[which].tolist()
        if self.shown is not None:
            for i in rng.integers(len(self.shown.pictures), size=n_films):
                crop = film_crop(self.shown, int(i), rng, masked=self.recipe.masked)
                pictures.append(self._shown(crop, view, rng))
                numbers.append(int(self.shown.concepts[i]))
        if self.photographs is not None:
            for _ in range(n_unnamed):
                pictures.append(self._shown(self._nameless(self.photographs, rng), view, rng))
            numbers += [UNNAMED] * n_unnamed
        return np.stack(pictures), np.array(numbers, np.intp)

    def _nameless(self, photographs: Photographs, rng: np.random.Generator) -> Image:
        if self.films is not None and rng.random() < AWAY:
            i = int(rng.integers(len(self.films.pictures)))
            return as_tile(away_crop(self.films.pictures[i], self.films.boxes[i], CROP, rng), rng)
        return as_tile(unnamed_crop(photographs, CROP, rng, masked=self.recipe.masked), rng)

    def _tile(self, index: int, view: int, rng: np.random.Generator) -> Image:
        tile = self.tiles.pictures[index]
        if rng.random() < self.recipe.masked * IN_TILES:
            tile = roughly_masked(tile, rng)
        return self._shown(tile, view, rng)

    def _shown(self, tile: Image, view: int, rng: np.random.Generator) -> Image:
        """A tile as the network meets it: all go one way, and only what they show tells them apart."""
        shown = self._placed(flip(tile, rng), view, rng)
        return coarse_colours(shown, rng) if rng.random() < COARSE else shown

    def _placed(self, tile: Image, view: int, rng: np.random.Generator) -> Image:
        if rng.random() >= self.recipe.rough:
            scale, shift = view / TILE * rng.uniform(0.95, 1.15), rng.uniform(-0.09, 0.09, 2)
            return light(place(tile, view, scale, shift, 0.0, stretch=self._stretch(rng)), rng)
        scale = view / TILE * float(np.exp(rng.uniform(np.log(0.6), np.log(1.2))))
        shift, turn = rng.uniform(-0.12, 0.12, 2), float(rng.normal(0, 6))
        around = None
        if self.photographs is not None and rng.random() < 0.5:
            around = unnamed_crop(self.photographs, view, rng)
        placed = place(tile, view, scale, shift, turn, around=around, stretch=self._stretch(rng))
        return worn(light(placed, rng), rng)

    def _stretch(self, rng: np.random.Generator) -> float:
        return float(np.exp(rng.normal(0, STRETCH))) if rng.random() < self.recipe.stretched else 1.0


def film_crop(films: Films, index: int, rng: np.random.Generator, *, masked: float = 0.0) -> Image:
    """The thing of a film's frame, or of a photograph, in a tile around an imperfect box.

    Args:
        films: Where it is taken from.
        index: Of the frame.
        rng: How imperfect.
        masked: Chance that only the thing's own pixels are sharp, as grounding looks at proposals.
    """
    box, margin = jitter(films.boxes[index], rng), float(rng.uniform(0.0, 0.6))
    picture = films.pictures[index]
    mask = films.masks[index]
    if mask is not None and rng.random() < masked:
        crop = masked_crop(picture, mask.to_array(), box, CROP, margin=margin)
    else:
        crop = crop_square(picture, box, CROP, margin=margin)
    return as_tile(crop, rng)


def roughly_masked(tile: Image, rng: np.random.Generator) -> Image:
    """A tile of whose thing no mask is known, with what lies outside an ellipse blurred and greyed."""
    side = len(tile)
    mask = np.zeros((side, side), np.uint8)
    axes = (rng.uniform(0.34, 0.52, 2) * side).astype(int).tolist()
    middle = (side / 2 + rng.uniform(-0.06, 0.06, 2) * side).astype(int).tolist()
    cv2.ellipse(mask, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return masked_crop(tile, mask.astype(bool), (0.0, 0.0, float(side), float(side)), side, margin=0.0)


def as_tile(crop: Image, rng: np.random.Generator) -> Image:
    """A crop as the named tiles are: small, and compressed with coarse colours."""
    small = cv2.resize(crop, (TILE, TILE), interpolation=cv2.INTER_AREA)
    return decode_rgb(encode_rgb(np.asarray(small, np.uint8), int(rng.integers(*QUALITY))))


def flip(picture: Image, rng: np.random.Generator) -> Image:
    """Mirrored half of the time."""
    return np.ascontiguousarray(picture[:, ::-1]) if rng.random() < 0.5 else picture


def place(
    tile: Image,
    side: int,
    scale: float,
    shift: NDArray[np.float64],
    turn: float,
    *,
    around: Image | None = None,
    stretch: float = 1.0,
) -> Image:
    """A tile within a square, what is around it mirrored from it or another picture.

    Args:
        tile: uint8 (T, T, 3).
        side: Of the result in pixels.
        scale: Pixels of the result for one of the tile.
        shift: Of its middle, as shares of the result's side.
        turn: Degrees.
        around: uint8 (side, side, 3), or None for the tile mirrored.
        stretch: How much wider than high the result shows it, its area kept.
    """
    middle = (len(tile) - 1) / 2
    affine = np.asarray(cv2.getRotationMatrix2D((middle, middle), turn, scale), np.float64)
    affine[:, 2] -= middle
    affine *= np.sqrt([[stretch], [1 / stretch]])
    affine[:, 2] += (side - 1) / 2 + shift * side
    how = cv2.INTER_LINEAR if scale >= 0.9 else cv2.INTER_AREA
    if around is None:
        return np.asarray(
            cv2.warpAffine(tile, affine, (side, side), flags=how, borderMode=cv2.BORDER_REFLECT)
        )
    out = around.copy()
    cv2.warpAffine(tile, affine, (side, side), dst=out, flags=how, borderMode=cv2.BORDER_TRANSPARENT)
    return out


def coarse_colours(picture: Image, rng: np.random.Generator) -> Image:
    """The brightness as it is, the colours on a grid of a half to a quarter."""
    side = max(1, round(len(picture) / rng.uniform(1.6, 4)))
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    small = cv2.resize(luma, (side, side), interpolation=cv2.INTER_AREA)
    out = cv2.resize(small, (len(picture), len(picture)), interpolation=cv2.INTER_LINEAR)
    out[..., 0] = luma[..., 0]
    return np.asarray(cv2.cvtColor(out, cv2.COLOR_YCrCb2RGB), np.uint8)


def light(picture: Image, rng: np.random.Generator) -> Image:
    """Exposure, contrast and saturation a little changed."""
    if rng.random() < 0.5:
        return picture
    out: NDArray[Any] = cv2.addWeighted(picture, rng.uniform(0.75, 1.25), picture, 0.0, rng.uniform(-18, 18))
    if rng.random() < 0.4:
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = rng.uniform(0.3, 1.2)
        out = cv2.addWeighted(out, keep, grey, 1 - keep, 0.0)
    return np.asarray(out, np.uint8)


def worn(picture: Image, rng: np.random.Generator) -> Image:
    """Blurred, coarser, noisy or compressed, as crops of video are; or as it is."""
    roll = rng.random()
    if roll < 0.2:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.0)), np.uint8)
    if roll < 0.35:
        side = len(picture)
        small = cv2.resize(picture, (int(side * rng.uniform(0.45, 0.8)),) * 2, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    if roll < 0.5:
        grain = rng.normal(0, rng.uniform(2, 9), picture.shape).astype(np.int16)
        return np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U), np.uint8)
    if roll < 0.65:
        return decode_rgb(encode_rgb(picture, int(rng.integers(25, 80))))
    return picture

"""Teaching the gate what is a drawing and what a photograph."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from seektrack.encoders.photo_network import Gate
from seektrack.geometry import crop_square
from seektrack.training.clip.frames import FrameStore
from seektrack.training.clip.samples import augment, background_box, jitter, visible
from seektrack.training.photos.samples import worn
from seektrack.training.photos.scenes import Films, Image, Photographs, unnamed_crop
from seektrack.training.photos.tiles import Tiles

CROP, FRAME = 112, 224
"""Sides of the crops and of the frames that the pocket CLIP looks at."""
TILES = (1 / 2, 1 / 3, 1 / 3, 1.0)
"""Sides of what a search looks at besides objects, as shares of a frame's."""
DRAWN_ELSEWHERE = 0.25
"""Share of the other pictures that are painted over: a cartoon is no drawing of the world that was learnt."""
BATCH = 64
RATE = 3e-3


class GateSampler:
    """Draws drawings and photographs, half and half.

    Args:
        store: Drawn frames.
        tiles: Named photographs.
        photographs, films: Others; None for none.
    """

    def __init__(
        self, store: FrameStore, tiles: Tiles, photographs: Photographs | None, films: Films | None
    ) -> None:
        self.store, self.tiles = store, tiles
        self.photographs, self.films = photographs, films

    def batch(
        self, rng: np.random.Generator, *, side: int, count: int = BATCH
    ) -> tuple[Image, NDArray[np.bool_]]:
        """Pictures uint8 (count, side, side, 3), and which of them are drawings."""
        drawn = rng.random(count) < 0.5
        pictures = [self._drawing(side, rng) if d else self._other(side, rng) for d in drawn]
        return np.stack(pictures), drawn

    def _drawing(self, side: int, rng: np.random.Generator) -> Image:
        index = int(rng.integers(len(self.store)))
        picture, objects = self.store.picture(index), self.store.objects(index)
        h, w = picture.shape[:2]
        whole = (0.0, 0.0, float(w), float(h))
        shown = visible(objects)
        roll, box = rng.random(), None
        if side == CROP and roll < 0.55 and len(shown):
            x0, y0, x1, y1 = objects.boxes[int(rng.choice(shown))]
            box = jitter((x0, y0, x1, y1), rng)
        elif side == CROP and roll < 0.7:
            box = background_box(self.store.id_map(index), objects, rng)
        margin = float(rng.uniform(0.1, 0.6))
        if box is None:
            size, margin = float(rng.choice(TILES)), 0.0
            x, y = rng.uniform(0, w * (1 - size)), rng.uniform(0, h * (1 - size))
            box = whole if side == FRAME else (x, y, x + w * size, y + h * size)
        return augment(crop_square(picture, box, side, margin=margin), rng)

    def _other(self, side: int, rng: np.random.Generator) -> Image:
        picture = self._photograph(side, rng)
        return painted(picture, rng) if rng.random() < DRAWN_ELSEWHERE else picture

    def _photograph(self, side: int, rng: np.random.Generator) -> Image:
        roll = rng.random()
        if self.photographs is not None and roll < 0.5:
            crop = unnamed_crop(self.photographs, side, rng)
            if roll < 0.25:
                picture = self.photographs.pictures[int(rng.integers(len(self.photographs.pictures)))]
                crop = _part(picture, side, rng)
            return worn(augment(crop, rng), rng)
        if self.films is not None and roll < 0.65:
            picture = self.films.pictures[int(rng.integers(len(self.films.pictures)))]
            return worn(augment(_part(picture, side, rng), rng), rng)
        tile = self.tiles.pictures[int(rng.integers(len(self.tiles.pictures)))]
        how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[int(rng.integers(3))]
        return augment(np.asarray(cv2.resize(tile, (side, side), interpolation=how), np.uint8), rng)


def _part(picture: Image, side: int, rng: np.random.Generator) -> Image:
    h, w = picture.shape[:2]
    size = float(np.exp(rng.uniform(np.log(0.15), 0.0))) * min(h, w)
    x, y = rng.uniform(0, w - size), rng.uniform(0, h - size)
    return crop_square(picture, (x, y, x + size, y + size), side)


def painted(picture: Image, rng: np.random.Generator) -> Image:
    """A picture as somebody else would have drawn it: flat areas in few, vivid tones, at times outlined.

    Args:
        picture: RGB uint8 (H, W, 3).
        rng: How flat, how vivid, which lines.
    """
    flat = picture
    for _ in range(int(rng.integers(1, 4))):
        flat = np.asarray(cv2.bilateralFilter(flat, 7, float(rng.uniform(30, 90)), float(rng.uniform(4, 9))))
    tones = int(rng.integers(4, 20))
    hsv = cv2.cvtColor(flat, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 2] = np.round(hsv[..., 2] / 255 * tones) / tones * 255
    hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.8, 2.2), 0, 255)
    out = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.5:
        grey = cv2.medianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 5)
        block = int(rng.choice((5, 7, 9)))
        lines = cv2.adaptiveThreshold(
            grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, float(rng.uniform(3, 9))
        )
        out[lines == 0] = int(rng.integers(0, 60))
    if rng.random() < 0.5:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 0.9)))
    return np.asarray(out, np.uint8)


def train_gate(sampler: GateSampler, *, steps: int, seed: int = 0, start: Gate | None = None) -> Gate:
    """Train a gate, from ``start`` on if there is one; every fourth step looks at whole frames."""
    from seektrack.training.photos.loop import normalised

    torch.manual_seed(seed)
    rng, gate = np.random.default_rng((seed, 13)), start or Gate()
    optimiser = torch.optim.AdamW(gate.parameters(), lr=RATE, weight_decay=1e-3)
    gate.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 - step / steps)
        pictures, drawn = sampler.batch(rng, side=FRAME if step % 4 == 3 else CROP)
        with torch.autocast("cpu", torch.bfloat16):
            logits = gate(normalised(pictures)).float()
        loss = F.binary_cross_entropy_with_logits(logits, torch.from_numpy(drawn).float())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
    return gate.eval()


@torch.no_grad()
def gate_figures(gate: Gate, sampler: GateSampler, *, batches: int = 8, seed: int = 1) -> dict[str, float]:
    """Shares of drawings and of photographs that it tells, on crops and on frames together."""
    from seektrack.training.photos.loop import normalised

    rng = np.random.default_rng((seed, 14))
    right: list[NDArray[np.bool_]] = []
    truth: list[NDArray[np.bool_]] = []
    for i in range(batches):
        pictures, drawn = sampler.batch(rng, side=FRAME if i % 3 == 2 else CROP)
        said = (gate(normalised(pictures)) > 0).numpy()
        right.append(said == drawn)
        truth.append(drawn)
    good, is_drawn = np.concatenate(right), np.concatenate(truth)
    return {
        "drawings_told": round(float(good[is_drawn].mean()), 4),
        "photographs_told": round(float(good[~is_drawn].mean()), 4),
    }

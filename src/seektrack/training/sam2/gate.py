"""Teaching the segmenter's gate which pictures are of the drawn world, and which are photographs."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from seektrack.checkpoints import packaged_folder
from seektrack.encoders.photo_clip import PhotoNetworks
from seektrack.encoders.photo_network import Conv
from seektrack.encoders.photo_network import Gate as Learner
from seektrack.encoders.preprocess import CLIP_MEAN, CLIP_STD
from seektrack.segmentation import gate as told
from seektrack.segmentation.squares import MEAN, STD, squared
from seektrack.training.clip.frames import decode_rgb, encode_rgb
from seektrack.training.clip.samples import augment
from seektrack.training.photos.gate import painted
from seektrack.training.photos.samples import worn
from seektrack.training.sam2.mixture import Material
from seektrack.world import SceneSettings, Split, render, sample_scene, seeds

Image = NDArray[np.uint8]

BATCH, RATE = 24, 1.5e-3
SIZES = ((256, 256), (256, 256), (240, 320), (360, 640))
"""Heights and widths of the drawn frames."""
STYLES = ("rich", "plain", "rich")
FILM_FRAMES = 8
"""Taken of each film, evenly spread."""
PART = 0.4
"""Chance that a part of a picture is shown, and not all of it."""
PAINTED = 0.08
"""Share of photographs that are painted over: another's cartoon is no picture of the drawn world."""


def drawn_pictures(split: Split, count: int, *, start: int = 0) -> list[Image]:
    """Frames of plain and rich scenes, uint8 (H, W, 3) RGB of several sizes."""
    found = []
    for i, seed in enumerate(seeds(split, count, start=start)):
        height, width = SIZES[i % len(SIZES)]
        settings = SceneSettings(style=STYLES[i % len(STYLES)], height=height, width=width, n_frames=1)
        found.append(np.asarray(render(sample_scene(seed, settings)).frames[0], np.uint8))
    return found


def photographed(material: Material) -> list[Image]:
    """The photographs, and frames of the films, uint8 (H, W, 3) RGB.

    Raises:
        InputError: One cannot be read.
    """
    found = [one.image for one in material.pictures]
    for film in material.films:
        with film.open() as source:
            count = source.len_frames()
            for index in sorted({round(i * (count - 1) / (FILM_FRAMES - 1)) for i in range(FILM_FRAMES)}):
                found.append(source.frame_at(index).image)
    return found


def fit_gate(material: Material, *, scenes: int = 480, steps: int = 320, seed: int = 0) -> told.Gate:
    """Teach a gate, from the packaged encoder's on, which looks at crops too.

    Args:
        material: Photographs and films.
        scenes: Of the training seeds, one frame each.
        steps: Of ``BATCH`` pictures, half of them drawn.
        seed: Of everything drawn by chance.

    Raises:
        InputError: A picture or a film cannot be read.
    """
    groups = drawn_pictures(Split.TRAIN, scenes, start=600_000), photographed(material)
    torch.manual_seed(seed)
    rng, gate = np.random.default_rng((seed, 17)), encoders_gate()
    optimiser = torch.optim.AdamW(gate.parameters(), lr=RATE, weight_decay=1e-3)
    gate.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20) * (1 - step / steps)
        drawn = np.arange(BATCH) % 2 == 0
        pictures = np.stack([_shown(groups[0 if d else 1], rng, photograph=not d) for d in drawn])
        loss = F.binary_cross_entropy_with_logits(
            gate(_normalised(pictures)), torch.from_numpy(drawn).float()
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
    return folded(gate.eval())


def gate_figures(gate: told.Gate, drawn: list[Image], photographs: list[Image]) -> dict[str, float]:
    """Shares of drawings and of photographs that a gate tells, each looked at as it is."""
    right = {}
    for name, pictures, sign in (("drawings", drawn, 1), ("photographs", photographs, -1)):
        odds = [gate.odds(_normalised(squared(one, told.SIDE)[None]).numpy())[0] for one in pictures]
        right[f"{name}_told"] = float(np.mean(sign * np.array(odds) > 0)) if odds else float("nan")
    return right


def encoders_gate() -> Learner:
    """That of the packaged encoder, for the segmenter's normalisation."""
    gate = PhotoNetworks(packaged_folder("clip")).gate
    first = cast(Conv, gate.trunk[0])
    theirs, ours = (np.array(values) for values in ((CLIP_MEAN, CLIP_STD), (MEAN, STD)))
    factor = torch.from_numpy(ours[1] / theirs[1]).float().view(1, 3, 1, 1)
    offset = torch.from_numpy((ours[0] - theirs[0]) / theirs[1]).float().view(1, 3, 1, 1)
    with torch.no_grad():
        kernel = first.weight.view(first.shape).clone()
        if first.norm.running_mean is not None:
            first.norm.running_mean -= (kernel * offset).sum((1, 2, 3))
        first.weight.copy_((kernel * factor).flatten(1))
    return gate


@torch.no_grad()
def folded(gate: Learner) -> told.Gate:
    """A trained gate as the segmenter reads it, its normalisations within its convolutions."""
    weights = {}
    for i, conv in enumerate(cast("list[Conv]", list(gate.trunk))):
        norm = conv.norm
        if norm.running_mean is None or norm.running_var is None:
            raise ValueError("the gate was not trained")
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weights[f"conv{i}.weight"] = conv.weight.view(conv.shape) * scale.view(-1, 1, 1, 1)
        weights[f"conv{i}.bias"] = norm.bias - norm.running_mean * scale
    weights |= {"head.weight": gate.head.weight, "head.bias": gate.head.bias}
    return told.Gate({name: value.half().float().numpy() for name, value in weights.items()})


def _shown(pictures: list[Image], rng: np.random.Generator, *, photograph: bool) -> Image:
    """One of the pictures, or a part of it, as a camera, a codec or another painter would show it."""
    picture = pictures[int(rng.integers(len(pictures)))]
    if rng.random() < PART:
        height, width = picture.shape[:2]
        share = rng.uniform(0.5, 1.0)
        h, w = int(height * share), int(width * share)
        y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        picture = picture[y : y + h, x : x + w]
    if rng.random() < 0.15:  # a small picture, made larger
        factor = rng.uniform(0.3, 0.8)
        picture = np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    square = squared(np.ascontiguousarray(picture), told.SIDE)
    if photograph and rng.random() < PAINTED:
        square = painted(square, rng)
    if rng.random() < 0.08:
        square = np.asarray(cv2.cvtColor(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    if rng.random() < 0.2:
        square = decode_rgb(encode_rgb(square, int(rng.integers(30, 95))))
    return worn(augment(square, rng), rng)


def _normalised(pictures: NDArray[np.uint8]) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (MEAN, STD))
    return (torch.tensor(pictures).permute(0, 3, 1, 2).float() - mean) / std

"""From a picture to what a CLIP-family vision tower eats, equal to the reference image processor.

Driven by the checkpoint's ``preprocessor_config.json``. Only PIL and numpy are needed: PIL's resampling
filters are antialiased and are what the published checkpoints were trained and evaluated with.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seektrack.errors import InputError, ModelError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
IMAGE_NDIM = 3
BICUBIC = 3
"""PIL's number of the bicubic filter."""


_FILTERS = 6
MAX_SIDE = 8192
"""Largest side a checkpoint may ask pictures to be brought to, pixels."""


@dataclass(frozen=True)
class ImageSettings:
    """How a picture is brought to the network's square.

    Attributes:
        shortest_edge: Resize so that the shorter side has this many pixels, keeping the aspect ratio;
            None when ``resize_hw`` says the size.
        resize_hw: Resize to exactly (H, W), ignoring the aspect ratio.
        crop_hw: Cut this (H, W) from the middle; what is missing is black. None cuts nothing.
        resample: PIL resampling filter, 3 for bicubic.
        scale: Factor from uint8 to the range ``mean`` and ``std`` are given in.
        mean, std: Per RGB channel.
    """

    shortest_edge: int | None = 224
    resize_hw: tuple[int, int] | None = None
    crop_hw: tuple[int, int] | None = (224, 224)
    resample: int = BICUBIC
    scale: float = 1 / 255
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    def __post_init__(self) -> None:
        """Refuse what no network was trained with, before a picture is brought to it."""
        for pair in (self.resize_hw, self.crop_hw):
            if pair is not None and (not isinstance(pair, tuple) or len(pair) != 2):
                raise ValueError(f"a picture is resized and cropped to (H, W), got {str(pair)[:40]}")
        sides = [self.shortest_edge, *(self.resize_hw or ()), *(self.crop_hw or ())]
        if any(side is not None and (type(side) is not int or not 1 <= side <= MAX_SIDE) for side in sides):
            raise ValueError(f"a side of a picture must lie in 1..{MAX_SIDE} pixels, got {sides}")
        if type(self.resample) is not int or not 0 <= self.resample < _FILTERS:
            raise ValueError(f"no resampling filter {self.resample}: PIL has 0 to {_FILTERS - 1}")
        if (len(self.mean), len(self.std)) != (3, 3):
            raise ValueError(f"mean and std are a number per channel, 3 each, got {self.mean} and {self.std}")
        numbers = (self.scale, *self.mean, *self.std)
        if not all(map(math.isfinite, numbers)) or 0.0 in self.std:
            raise ValueError(f"scale, mean and std must be finite and std not 0, got {numbers}")

    @property
    def size(self) -> int:
        """Side of the result in pixels."""
        if self.crop_hw is not None:
            return self.crop_hw[0]
        return self.resize_hw[0] if self.resize_hw is not None else int(self.shortest_edge or 0)

    def at(self, size: int) -> ImageSettings:
        """The same for a square of another side."""
        return replace(
            self,
            shortest_edge=None if self.shortest_edge is None else size,
            resize_hw=None if self.resize_hw is None else (size, size),
            crop_hw=None if self.crop_hw is None else (size, size),
        )

    @classmethod
    def for_size(cls, size: int, *, family: str = "clip") -> ImageSettings:
        """What a family of models uses when its checkpoint does not say."""
        if family.startswith("siglip"):
            return cls(shortest_edge=None, resize_hw=(size, size), crop_hw=None, mean=HALF, std=HALF)
        return cls(shortest_edge=size, crop_hw=(size, size))

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> ImageSettings:
        """Read the content of a ``preprocessor_config.json``; old files write sizes as one integer."""
        size = config.get("size") or 224
        if isinstance(size, int):
            size = {"shortest_edge": size}
        crop = config.get("crop_size") or 224
        if isinstance(crop, int):
            crop = {"height": crop, "width": crop}
        shortest = size.get("shortest_edge")
        resize = None if shortest is not None else (int(size["height"]), int(size["width"]))
        if not _flag(config, "do_resize"):
            shortest, resize = None, None
        crops = _flag(config, "do_center_crop", default=bool(config.get("crop_size")))
        normalises = _flag(config, "do_normalize")
        return cls(
            shortest_edge=None if shortest is None else int(shortest),
            resize_hw=resize,
            crop_hw=(int(crop["height"]), int(crop["width"])) if crops else None,
            resample=int(config.get("resample", BICUBIC)),
            scale=float(config.get("rescale_factor", 1 / 255)) if _flag(config, "do_rescale") else 1.0,
            mean=_triple(config.get("image_mean", CLIP_MEAN)) if normalises else (0.0, 0.0, 0.0),
            std=_triple(config.get("image_std", CLIP_STD)) if normalises else (1.0, 1.0, 1.0),
        )

    @classmethod
    def from_folder(cls, folder: Path, *, size: int, family: str = "clip") -> ImageSettings:
        """Read a checkpoint folder; without a preprocessor file, the family's settings at ``size``.

        Raises:
            ModelError: A preprocessor file is there and cannot be understood.
        """
        for name, key in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
            path = folder / name
            if not path.is_file():
                continue
            try:
                config = json.loads(path.read_text(encoding="utf-8"))
                config = config if key is None else config.get(key)
                if config:
                    return cls.from_dict(config)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError) as error:
                raise ModelError(f"cannot read the image settings in {path}: {error}") from error
        return cls.for_size(size, family=family)


def clip_transform(image: NDArray[np.uint8], settings: ImageSettings) -> NDArray[np.float32]:
    """Resize, crop and normalise one picture as ``CLIPImageProcessor`` does.

    Args:
        image: RGB uint8 (H, W, 3).
        settings: From the checkpoint.

    Returns:
        float32 (3, S, S).

    Raises:
        InputError: The image is not uint8 (H, W, 3) with at least one pixel.
    """
    if image.ndim != IMAGE_NDIM or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            f"an image must be RGB uint8 (H, W, 3) and not empty, got {image.dtype} {image.shape}",
            hint="convert grey or BGRA pictures to RGB first",
        )
    from PIL import Image

    target = _resized_hw((int(image.shape[0]), int(image.shape[1])), settings)
    if target != image.shape[:2]:
        resized = Image.fromarray(np.ascontiguousarray(image)).resize(
            (target[1], target[0]), resample=Image.Resampling(settings.resample)
        )
        image = np.asarray(resized)
    if settings.crop_hw is not None:
        image = _centre_crop(image, settings.crop_hw)
    gain = np.float32(settings.scale) / np.asarray(settings.std, dtype=np.float32)
    offset = np.asarray(settings.mean, dtype=np.float32) / np.asarray(settings.std, dtype=np.float32)
    return np.ascontiguousarray((image.astype(np.float32) * gain - offset).transpose(2, 0, 1))


def _resized_hw(hw: tuple[int, int], settings: ImageSettings) -> tuple[int, int]:
    if settings.resize_hw is not None:
        return settings.resize_hw
    if settings.shortest_edge is None:
        return hw
    short, long = min(hw), max(hw)
    new_short, new_long = settings.shortest_edge, int(settings.shortest_edge * long / short)
    return (new_long, new_short) if hw[1] <= hw[0] else (new_short, new_long)


def _centre_crop(image: NDArray[np.uint8], hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut (H, W) from the middle, black where the picture is smaller; rounds as the reference does."""
    height, width = image.shape[:2]
    if height < hw[0] or width < hw[1]:
        canvas = np.zeros((max(height, hw[0]), max(width, hw[1]), 3), dtype=np.uint8)
        top, left = (canvas.shape[0] - height + 1) // 2, (canvas.shape[1] - width + 1) // 2
        canvas[top : top + height, left : left + width] = image
        # The reference takes the corner from the unpadded size, rounded down, then shifts it by the pad.
        y, x = (height - hw[0]) // 2 + top, (width - hw[1]) // 2 + left
        return canvas[y : y + hw[0], x : x + hw[1]]
    y, x = (height - hw[0]) // 2, (width - hw[1]) // 2
    return image[y : y + hw[0], x : x + hw[1]]


def _flag(config: Mapping[str, Any], key: str, *, default: bool = True) -> bool:
    """A switch that may be missing or null."""
    value = config.get(key)
    return default if value is None else bool(value)


def _triple(values: Any) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c


def resampled(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Square pictures (B, C, S, S) brought to (B, C, side, side), bilinear and antialiased."""
    weights = _triangles(pixels.shape[-1], side)
    return np.asarray(weights @ pixels @ weights.T, np.float32)


def averaged(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Square pictures (B, C, S, S) brought to (B, C, side, side) by the means of what each pixel covers."""
    weights = _covered(pixels.shape[-1], side)
    return np.asarray(weights @ pixels @ weights.T, np.float32)


@lru_cache(maxsize=8)
def _covered(size: int, side: int) -> NDArray[np.float32]:
    """How much of each of ``side`` pixels each of ``size`` covers, (side, size); rows sum to 1."""
    ends = np.linspace(0, size, side + 1)
    low, high = np.maximum(ends[:-1, None], np.arange(size)), np.minimum(ends[1:, None], np.arange(size) + 1)
    return np.asarray(np.clip(high - low, 0, None) * side / size, np.float32)


@lru_cache(maxsize=8)
def _triangles(size: int, side: int) -> NDArray[np.float32]:
    """What each of ``size`` pixels counts in each of ``side``, (side, size); rows sum to 1."""
    step = size / side
    reach = max(step, 1.0)
    middles = (np.arange(side) + 0.5) * step
    away = np.abs(np.arange(size) + 0.5 - middles[:, None]) / reach
    weights = np.clip(1 - away, 0, None)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)

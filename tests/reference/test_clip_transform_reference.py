"""Our preprocessing against transformers' own, over sizes, shapes and settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from seektrack.encoders import ImageSettings, clip_transform

SIZES = [(1, 1), (2, 9), (31, 33), (48, 48), (64, 48), (97, 211), (300, 7), (480, 640)]
SQUARE = {"height": 48, "width": 48}
PROCESSORS = {
    "clip": CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size=SQUARE),
    "clip, crop larger than resize": CLIPImageProcessorPil(
        size={"shortest_edge": 33}, crop_size={"height": 48, "width": 47}
    ),
    "clip, crop smaller than resize": CLIPImageProcessorPil(size={"shortest_edge": 61}, crop_size=SQUARE),
    "clip, square": CLIPImageProcessorPil(size=SQUARE, do_center_crop=False),
    "clip, bilinear, other statistics": CLIPImageProcessorPil(
        size={"shortest_edge": 48},
        crop_size=SQUARE,
        resample=2,
        image_mean=[0.1, 0.2, 0.3],
        image_std=[1, 0.5, 2],
    ),
    "clip, not normalised": CLIPImageProcessorPil(
        size={"shortest_edge": 48}, crop_size=SQUARE, do_normalize=False
    ),
    "siglip": SiglipImageProcessorPil(size=SQUARE),
    "chinese clip": ChineseCLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size=SQUARE),
}


@pytest.mark.parametrize("hw", SIZES, ids=str)
@pytest.mark.parametrize("name", PROCESSORS)
def test_equal_to_the_reference(
    name: str, hw: tuple[int, int], tmp_path: Path, rng: np.random.Generator
) -> None:
    processor = PROCESSORS[name]
    image = rng.integers(0, 256, (*hw, 3), dtype=np.uint8)
    expected = processor(image, return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
    processor.save_pretrained(tmp_path)
    got = clip_transform(image, ImageSettings.from_folder(tmp_path, size=48))
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_the_defaults_of_a_family_are_its_processors(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    clip = CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size=SQUARE)
    for family, processor in (("clip", clip), ("siglip", SiglipImageProcessorPil(size=SQUARE))):
        expected = processor(image, return_tensors="np")["pixel_values"][0]
        got = clip_transform(image, ImageSettings.for_size(48, family=family))
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_sizes_as_old_checkpoints_write_them(tmp_path: Path, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"size": 48, "crop_size": 48, "do_center_crop": True, "resample": 3})
    )
    expected = PROCESSORS["clip"](image, return_tensors="np")["pixel_values"][0]
    got = clip_transform(image, ImageSettings.from_folder(tmp_path, size=224))
    np.testing.assert_allclose(got, expected, atol=1e-4)

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.geometry import mask_to_box, masked_crop
from seektrack.grounding import (
    PROMPT_KINDS,
    Grounding,
    GroundSettings,
    TextScorer,
    distinct,
    embed_objects,
    ground_proposals,
    make_prompt,
    to_prompts,
)
from seektrack.grounding.prompts import innermost_point
from seektrack.types import Mask

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 210), "grey": (128, 128, 128)}


class ColourEncoder:
    """Sees the mean colour of the middle of a picture; reads colour words."""

    name, dim, fingerprint, logit_scale, image_size = "colour", 4, "colour", 30.0, 16

    def embed_images(self, images, *, batch_size=32):
        out = []
        for image in images:
            h, w = image.shape[:2]
            middle = image[h // 4 : -h // 4, w // 4 : -w // 4].reshape(-1, 3).astype(float)
            near = [np.exp(-np.abs(middle - c).sum(axis=1) / 60).mean() for c in COLOURS.values()]
            out.append(near)
        rows = np.array(out, dtype=np.float32).reshape(-1, 4)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_texts(self, texts, *, batch_size=64):
        rows = np.array([[float(c in t) for c in COLOURS] for t in texts], dtype=np.float32)
        rows[rows.sum(axis=1) == 0] = 0.5
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass
class Proposal:
    mask: np.ndarray
    score: float = 0.9

    @property
    def box(self):
        return mask_to_box(self.mask)


def scene(*things):
    """Grey picture with coloured rectangles ``(colour, x, y, w, h)``, and a mask of each."""
    image = np.full((100, 160, 3), 128, dtype=np.uint8)
    masks = []
    for colour, x, y, w, h in things:
        image[y : y + h, x : x + w] = COLOURS[colour]
        masks.append(np.zeros(image.shape[:2], dtype=bool))
        masks[-1][y : y + h, x : x + w] = True
    return image, masks


def rect(x, y, w, h, *, confidence=0.9, quality=0.9, hw=(100, 160)):
    pixels = np.zeros(hw, dtype=bool)
    pixels[y : y + h, x : x + w] = True
    mask = Mask.from_array(pixels)
    return Grounding(mask, mask.box, confidence, quality, np.ones(4, dtype=np.float32) / 2)


def test_only_what_is_asked_for_is_grounded():
    image, masks = scene(("red", 10, 10, 30, 20), ("blue", 60, 50, 30, 20), ("red", 110, 20, 24, 24))
    scorer = TextScorer(ColourEncoder(), "a red thing")
    found = ground_proposals(scorer, image, [Proposal(m) for m in masks])
    assert [g.mask for g in sorted(found, key=lambda g: g.box)] == [Mask.from_array(masks[i]) for i in (0, 2)]
    assert all(g.confidence > 0.8 and g.label == "a red thing" for g in found)
    assert (
        ground_proposals(TextScorer(ColourEncoder(), "a green thing"), image, [Proposal(m) for m in masks])
        == []
    )


def test_limits_of_number_and_quality():
    image, masks = scene(("red", 10, 10, 30, 20), ("red", 60, 50, 30, 20), ("red", 110, 20, 24, 24))
    scorer = TextScorer(ColourEncoder(), "a red thing")
    proposals = [Proposal(m, q) for m, q in zip(masks, (0.9, 0.2, 0.5), strict=True)]
    found = ground_proposals(scorer, image, proposals, settings=GroundSettings(min_quality=0.3))
    assert [g.quality for g in found] == [0.9, 0.5]
    one = ground_proposals(scorer, image, proposals, settings=GroundSettings(max_objects=1))
    assert [g.quality for g in one] == [0.9]
    assert ground_proposals(scorer, image, []) == []


@pytest.mark.parametrize("crop", ["plain", "masked", "both"])
def test_every_crop_shows_the_object(crop):
    image, masks = scene(("red", 10, 10, 30, 20), ("blue", 60, 50, 30, 20))
    coded = [Mask.from_array(m) for m in masks]
    encoder = ColourEncoder()
    seen = embed_objects(encoder, image, [m.box for m in coded], coded, crop=crop)
    texts = encoder.embed_texts(["red", "blue"])
    assert (seen @ texts.T).argmax(axis=1).tolist() == [0, 1]


def test_masked_crop_mutes_the_surrounding():
    image, masks = scene(("blue", 0, 0, 160, 100), ("red", 60, 40, 30, 20))
    crop = masked_crop(image, masks[1], mask_to_box(masks[1]), 64, margin=0.45)
    assert crop[32, 32] == pytest.approx(COLOURS["red"], abs=3)
    assert np.abs(crop[2, 2].astype(int) - 127).max() < 45


def test_parts_give_way_to_the_whole():
    car, wheel, other_wheel = (
        rect(20, 20, 60, 30),
        rect(25, 40, 10, 10),
        rect(60, 40, 10, 10, confidence=0.99),
    )
    assert distinct([wheel, car, other_wheel]) == [car]


def test_a_group_gives_way_to_its_members():
    left, right = rect(20, 20, 30, 20), rect(54, 20, 30, 20)
    both = Grounding(
        Mask.from_array(left.mask.to_array() | right.mask.to_array()),
        (20, 20, 84, 40), 0.95, 0.9, left.embedding,
    )  # fmt: skip
    assert set(map(id, distinct([both, left, right]))) == {id(left), id(right)}


def test_halves_that_are_less_sure_give_way_to_the_whole():
    whole = rect(20, 20, 60, 30, confidence=0.95)
    halves = [rect(20, 20, 30, 30, confidence=0.5), rect(50, 20, 30, 30, confidence=0.5)]
    assert distinct([*halves, whole]) == [whole]


def test_a_poor_whole_gives_way_to_a_good_part():
    blob, ball = rect(10, 10, 100, 70, confidence=0.5), rect(40, 30, 20, 20, confidence=0.95)
    assert distinct([blob, ball]) == [ball]


class WholeEncoder(ColourEncoder):
    """Believes in a red thing the more, the more of the crop is red."""

    def embed_images(self, images, *, batch_size=32):
        red = [(np.abs(i.astype(int) - COLOURS["red"]).sum(axis=2) < 60).mean() for i in images]
        cosine = np.clip(0.85 + 0.5 * (np.array(red) - 0.2), 0, 1)
        zeros = np.zeros_like(cosine)
        return np.stack([cosine, zeros, zeros, np.sqrt(1 - cosine**2)], axis=1).astype(np.float32)


def test_halves_of_one_object_are_joined():
    image, (left, right) = scene(("red", 40, 30, 15, 30), ("red", 55, 30, 15, 30))
    proposals = [Proposal(left), Proposal(right)]
    scorer = TextScorer(WholeEncoder(), "a red thing")
    settings = GroundSettings(min_confidence=0.01, crop="masked")
    (whole,) = ground_proposals(scorer, image, proposals, settings=settings)
    assert whole.mask == Mask.from_array(left | right)
    assert whole.box == (40, 30, 70, 60)
    never = replace(settings, join_gain=0.0)
    assert len(ground_proposals(scorer, image, proposals, settings=never)) == 2
    sure_of_each = TextScorer(ColourEncoder(), "a red thing")
    assert len(ground_proposals(sure_of_each, image, proposals, settings=settings)) == 2


def test_things_that_do_not_touch_are_not_joined():
    image, masks = scene(("red", 40, 30, 15, 30), ("red", 61, 30, 15, 30))
    settings = GroundSettings(min_confidence=0.01, crop="masked")
    scorer = TextScorer(WholeEncoder(), "a red thing")
    assert len(ground_proposals(scorer, image, [Proposal(m) for m in masks], settings=settings)) == 2


def test_duplicates_keep_the_best():
    good, worse = rect(20, 20, 40, 30, quality=0.9), rect(22, 21, 40, 30, quality=0.7)
    assert distinct([worse, good]) == [good]


def test_a_colour_asked_for_has_to_beat_the_other_colours():
    """The encoder's own contrast texts name no colour; those of the target do."""
    encoder = ColourEncoder()
    scorer = TextScorer(encoder, "a red thing")
    red, blue = encoder.embed_texts(["red", "blue"])
    sure, unsure = scorer.confidence(np.stack([red, blue]))
    assert sure > 0.9 and unsure < 0.05
    logits = encoder.logit_scale * np.stack([scorer.query.vector, *scorer.query.contrast]) @ red
    assert sure == pytest.approx(np.exp(logits[0]) / np.exp(logits).sum(), rel=1e-4)
    assert scorer.confidence(np.zeros((0, 4))).shape == (0,)


def test_prompts_carry_what_their_kind_says():
    groundings = [rect(20, 20, 40, 30, confidence=0.8), rect(90, 50, 20, 20)]
    for kind in PROMPT_KINDS:
        prompts = to_prompts(groundings, 5, 3, kind=kind)
        assert [(p.obj_id, p.frame_index) for p in prompts] == [(3, 5), (4, 5)]
        assert [(p.mask is not None, p.box is not None, p.points is not None) for p in prompts] == [
            {"mask": (True, False, False), "box": (False, True, False), "box_point": (False, True, True)}[
                kind
            ]
        ] * 2
        assert prompts[0].score == 0.8
    with pytest.raises(InputError, match="box_point"):
        to_prompts(groundings, 5, 3, kind="circle")
    with pytest.raises(InputError, match="empty mask"):
        make_prompt(Mask.from_array(np.zeros((4, 4), dtype=bool)), 1, 0)


def test_innermost_point_lies_in_the_thick_part():
    pixels = np.zeros((60, 60), dtype=np.uint8)
    cv2.circle(pixels, (40, 20), 12, 1, -1)
    pixels[40:44, 2:58] = 1
    x, y = innermost_point(pixels.astype(bool))
    assert np.hypot(x - 40.5, y - 20.5) < 2
    ring = np.ones((30, 30), dtype=bool)
    ring[8:22, 8:22] = False
    x, y = innermost_point(ring)
    assert ring[int(y), int(x)]

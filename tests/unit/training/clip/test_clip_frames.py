from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seektrack.encoders import load_encoder
from seektrack.errors import InputError
from seektrack.evaluation.pocket_parity import TransformersClip
from seektrack.training.clip import ClipRecipe, ClipSizes, recipe_of, train_clip
from seektrack.training.clip.frames import FrameStore, Objects, prepare, training_settings
from seektrack.training.clip.losses import dense_loss
from seektrack.training.clip.matching import NO_LABEL, REJECT
from seektrack.training.clip.model import build_model, build_tokenizer, embed_images, embed_patches
from seektrack.training.clip.names import ANY
from seektrack.training.clip.samples import Sampler, patch_labels, visible
from seektrack.training.finetune import FinetuneRecipe
from seektrack.training.finetune.towers import Towers
from seektrack.world import Split

SIZES = ClipSizes(
    image_size=28, patch_size=14, fine_size=56, width=32, layers=1, heads=2,
    text_width=32, text_layers=1, dim=16, vocabulary=600,
)  # fmt: skip
RECIPE = ClipRecipe(
    sizes=SIZES, clips=4, frames_per_clip=2, objects=4, backgrounds=2, things=1, scenes=2, frames=3,
    fine_crops=0.3, hard_texts=1, unknown_texts=2, early_share=0.0, steps=3, warmup=2, bf16=False,
    validation_clips=6, dense_weight=0.5, scene_weight=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fine")


@pytest.fixture(scope="module")
def store(cache: Path) -> FrameStore:
    return FrameStore(prepare(cache, Split.TRAIN, clips=4, keep=2))


def _objects(*rows: tuple[int, int, int, int]) -> Objects:
    """Category, colour, id and area of each, all in full view."""
    table = np.array(rows)
    boxes = np.zeros((len(rows), 4))
    return Objects(table[:, :2], table[:, 2], boxes, table[:, 3], np.ones(len(rows)))


def test_a_patch_is_what_covers_most_of_it() -> None:
    ids = np.zeros((40, 40), np.uint8)
    ids[0:10, 0:10] = 1
    ids[0:10, 10:14] = 1  # 40 % of the next patch, in which 2 has 60 %
    ids[0:10, 14:20] = 2
    ids[20:21, 20:30] = 1  # 10 % of a patch: a rim
    ids[30:40, 30:40] = 3
    objects = _objects((2, 4, 1, 150), (5, 0, 2, 60), (ANY, ANY, 3, 100))
    shown = patch_labels(ids, objects, 4)
    assert shown[0, 0] == 2 * 9 + 4
    assert shown[0, 1] == 5 * 9
    assert shown[2, 2] == NO_LABEL
    assert shown[3, 3] == REJECT, "a thing without a name is refused"
    assert (shown == REJECT).sum() == 16 - 3
    faint = replace(objects, visibility=np.array([0.1, 1, 1]))
    assert patch_labels(ids, faint, 4)[0, 0] == NO_LABEL, "too hidden to be named"


def test_a_fine_frame_names_what_it_shows_and_knows_its_patches(store: FrameStore) -> None:
    sampler = Sampler(store, RECIPE)
    for index in range(len(store)):
        frame = sampler.frame(index, np.random.default_rng(index))
        assert frame.image.shape == (56, 56, 3)
        assert frame.patches is not None
        assert frame.patches.shape == (4, 4)
        objects = store.objects(index)
        assert len(frame.objects) == len(visible(objects))
        known = {c * 9 + k for c, k in frame.objects if c != ANY}
        assert set(frame.patches[frame.patches >= 0].tolist()) <= known


def test_a_mirrored_frame_has_mirrored_patches(store: FrameStore) -> None:
    sampler = Sampler(store, RECIPE)
    index = max(range(len(store)), key=lambda i: store.objects(i).area.max(initial=0))
    seen = [sampler.frame(index, np.random.default_rng(seed)).patches for seed in range(12)]
    different = {tuple(p.flatten().tolist()): p for p in seen if p is not None}
    assert len(different) == 2
    one, other = different.values()
    np.testing.assert_array_equal(one, other[:, ::-1])


def test_patches_with_and_without_objects_weigh_the_same() -> None:
    logits = torch.randn(6, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([3, REJECT, REJECT, NO_LABEL, 0, REJECT])
    got = dense_loss(logits, labels, n_labels=4, n_background=2)
    joint = F.log_softmax(logits[:, :6], 1)
    named = -(joint[0, 3] + joint[4, 0]) / 2
    refused = -torch.stack([joint[i, 4:].exp().sum().log() for i in (1, 2, 5)]).mean()
    torch.testing.assert_close(got, (named + refused) / 2)
    nothing = dense_loss(logits, torch.full((6,), NO_LABEL), n_labels=4, n_background=2)
    assert float(nothing) == 0


def test_patches_are_read_before_the_last_layer() -> None:
    sizes = replace(SIZES, layers=2)
    model = build_model(sizes, build_tokenizer(sizes)).eval()
    pixels = torch.randn(2, 3, 56, 56)
    with torch.no_grad():
        pooled, patches = embed_patches(model, pixels)
        assert patches.shape == (2, 16, 16)
        torch.testing.assert_close(pooled, embed_images(model, pixels))
        model.vision_model.encoder.layers[1].mlp.fc2.weight.add_(1.0)
        torch.testing.assert_close(embed_patches(model, pixels)[1], patches)
        assert not torch.allclose(embed_images(model, pixels), pooled)


def test_a_trained_folder_looks_at_frames_more_closely_here_and_in_transformers(
    cache: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    figures = train_clip(RECIPE, tmp_path, max_minutes=600, cache=cache)
    assert figures["steps"] == 3
    ours, theirs = load_encoder(tmp_path, device="cpu"), TransformersClip(tmp_path)
    assert (ours.image_size, theirs.fine_size) == (28, 56)
    sides = ((28, 28), (90, 120), (20, 200), (55, 55), (56, 64))
    pictures = [rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in sides]
    found = ours.embed_images(pictures, batch_size=2)
    np.testing.assert_allclose(found, theirs.embed_images(pictures, batch_size=2), atol=1e-5)
    # The fine side is another look: the same picture made small first is embedded otherwise.
    small = ours.embed_images([np.ascontiguousarray(pictures[1][::4, ::4][:22, :22])])
    assert float((small @ found[1]).item()) < 0.9999
    alone = np.concatenate([ours.embed_images([p]) for p in pictures])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    tuned = Towers(tmp_path, FinetuneRecipe(mode="head"), device="cpu").embed_images(pictures)
    np.testing.assert_allclose(found, tuned.detach().numpy(), atol=1e-5)


def test_frames_need_a_side_that_patches_fill() -> None:
    with pytest.raises(InputError, match="fine_size 50 is no multiple of patch_size 14"):
        replace(SIZES, fine_size=50)
    with pytest.raises(InputError, match="no side for them"):
        replace(RECIPE, frames=0, sizes=replace(SIZES, fine_size=0))
    with pytest.raises(InputError, match="no side for them"):
        replace(RECIPE, sizes=replace(SIZES, fine_size=0))


def test_the_recipe_of_frames_goes_on_from_the_pocket_encoder_by_a_layer() -> None:
    recipe = recipe_of("frames")
    assert recipe.sizes == ClipSizes(layers=5, fine_size=224)
    assert recipe.n_categories == ClipRecipe().n_categories
    assert training_settings(4).style == "plain"

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.geometry import mask_to_box
from seektrack.training.clip.frames import THING, FrameStore, prepare, training_settings
from seektrack.training.clip.matching import NO_LABEL, REJECT, match_matrix
from seektrack.training.clip.names import NOWHERE, where_of
from seektrack.training.clip.recipe import ClipRecipe, ClipSizes
from seektrack.training.clip.samples import (
    BACKGROUND_SHARE,
    Sampler,
    background_box,
)
from seektrack.world import Split, render, sample_scene, seeds

RECIPE = ClipRecipe(
    sizes=ClipSizes(image_size=56), clips=6, objects=6, backgrounds=3, things=1, scenes=4, unknown_texts=2
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    folder = tmp_path_factory.mktemp("frames")
    return FrameStore(prepare(folder, Split.TRAIN, clips=6, keep=2))


def test_the_store_holds_what_was_rendered(store: FrameStore) -> None:
    assert len(store) == 12
    clip = render(sample_scene(seeds(Split.TRAIN, 1)[0], training_settings(2)))
    for index, t in ((0, 0), (1, len(clip.frames) - 1)):
        assert np.array_equal(store.id_map(index), clip.ids[t])
        assert np.abs(store.picture(index).astype(int) - clip.frames[t]).mean() < 6
        objects = store.objects(index)
        for slot, obj_id in enumerate(objects.ids):
            assert tuple(objects.boxes[slot]) == mask_to_box(clip.ids[t] == obj_id)
            assert objects.area[slot] == (clip.ids[t] == obj_id).sum()
            assert (objects.names[slot, 0] == THING) == (clip.scene.actors[obj_id - 1].category is None)


def test_rendering_is_paid_once(tmp_path: Path) -> None:
    first = prepare(tmp_path, Split.TRAIN, clips=1, keep=1)
    stamp = first[0].stat().st_mtime_ns
    assert prepare(tmp_path, Split.TRAIN, clips=1, keep=1) == first
    assert first[0].stat().st_mtime_ns == stamp
    assert [p for p in tmp_path.iterdir() if p not in first] == []
    with pytest.raises(InputError):
        prepare(tmp_path, Split.TRAIN, clips=0, keep=1)


def test_background_boxes_hold_less_than_a_fifth_of_any_object(store: FrameStore) -> None:
    rng = np.random.default_rng(0)
    found = 0
    for index in range(len(store)):
        ids, objects = store.id_map(index), store.objects(index)
        box = background_box(ids, objects, rng)
        if box is None:
            continue
        found += 1
        x0, y0, x1, y1 = (max(0, round(v)) for v in box)
        for obj_id, area in zip(objects.ids, objects.area, strict=True):
            assert (ids[y0:y1, x0:x1] == obj_id).sum() < BACKGROUND_SHARE * area
    assert found >= 6


def test_a_batch_hangs_on_its_step_only(store: FrameStore) -> None:
    first, texts, _ = Sampler(store, RECIPE).batch(3)
    again, same_texts, _ = Sampler(store, RECIPE).batch(3)
    other, _, _ = Sampler(store, RECIPE).batch(4)
    assert texts == same_texts
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.image, b.image) for a, b in zip(first, other, strict=False))


def test_a_batch_has_every_kind_in_the_numbers_asked(store: FrameStore) -> None:
    samples, texts, _ = Sampler(store, RECIPE).batch(0)
    kinds = [s.label for s in samples]
    assert sum(k >= 0 for k in kinds) == RECIPE.objects
    assert sum(k == NO_LABEL for k in kinds) == RECIPE.scenes
    assert RECIPE.backgrounds <= sum(k == REJECT for k in kinds) <= RECIPE.backgrounds + RECIPE.things
    assert len(texts) == len(samples) + RECIPE.unknown_texts
    assert {s.image.shape for s in samples} == {(56, 56, 3)}
    own = match_matrix(samples, len(texts))
    assert (np.diag(own[:, : len(samples)]) > 0).all()
    assert own[:, len(samples) :].sum() == 0
    early, _, _ = Sampler(store, ClipRecipe(sizes=RECIPE.sizes, early_size=28, clips=6)).batch(0, early=True)
    assert {s.image.shape for s in early} == {(28, 28, 3)}


def test_rich_pictures_know_where_they_were_taken_and_say_it(tmp_path: Path) -> None:
    rich = FrameStore(prepare(tmp_path, Split.TRAIN, clips=4, keep=2, rich=True))
    first = sample_scene(seeds(Split.TRAIN, 1)[0], training_settings(2, rich=True))
    assert rich.where(0) == where_of(first) != NOWHERE
    recipe = replace(RECIPE, rich=1.0, hard_texts=2, whole=1.0, named=7)
    samples, texts, extra = Sampler(rich, recipe).batch(0)
    placed = [s for s in samples if s.asked_where != NOWHERE]
    assert placed and all(s.label == NO_LABEL and s.where[0] == s.asked_where[0] for s in placed)
    assert 0 < len(extra) <= 2 * recipe.scenes
    assert len(texts) == len(samples) + len(extra) + recipe.unknown_texts
    own = match_matrix(samples, len(texts), extra=extra)
    assert (np.diag(own) > 0).all()
    rows = {id(s): i for i, s in enumerate(samples)}
    assert all(own[rows[id(s)], len(samples) :].min() <= 0 for s in placed)


def test_plain_pictures_are_nowhere(store: FrameStore) -> None:
    assert {store.where(i) for i in range(len(store))} == {NOWHERE}

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.world import (
    CATEGORIES,
    COLOURS,
    SceneSettings,
    Split,
    actor_caption,
    frame_caption,
    render,
    sample_scene,
    seeds,
    truth,
    vocabulary,
)

SMALL = SceneSettings(height=96, width=128, n_frames=6)
SEEDS = seeds(Split.TEST, 12)


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others():
    one, again, other = (render(sample_scene(s, SMALL)) for s in (SEEDS[0], SEEDS[0], SEEDS[1]))
    assert (one.frames == again.frames).all()
    assert (one.ids == again.ids).all()
    assert (one.frames != other.frames).any()


def test_a_clip_has_the_size_asked_for_and_only_ids_of_its_actors():
    for seed in SEEDS:
        clip = render(sample_scene(seed, SMALL))
        assert clip.frames.shape == (6, 96, 128, 3)
        assert clip.frames.dtype == np.uint8
        assert set(np.unique(clip.ids)) <= {0, *(a.obj_id for a in clip.scene.actors)}
        assert (clip.area <= clip.full_area).all()
        assert ((clip.visibility >= 0) & (clip.visibility <= 1)).all()


def test_pixels_of_an_object_have_its_colour():
    """The median colour under a plain car's mask is nearest to the colour it is named after."""
    names = list(COLOURS)
    palette = np.array([COLOURS[c] for c in names], float)
    right = 0
    for i, colour in enumerate(names):
        settings = SceneSettings(
            n_frames=1,
            cast=(("ball", colour),),
            actors=(0, 0),
            occluders=0,
            texture=0,
            rough=0,
            object_size=(40, 50),
        )
        clip = render(sample_scene(SEEDS[i], settings))
        inside = clip.frames[0][clip.ids[0] == 1]
        nearest = np.abs(palette - np.median(inside, axis=0)).sum(1).argmin()
        right += names[nearest] == colour
    assert right == len(names)


def test_a_still_camera_and_a_still_ball_leave_the_mask_where_it_is_and_motion_moves_it():
    moved = {}
    for seed in seeds(Split.TEST, 60, start=100):
        settings = SceneSettings(
            height=128, width=128, n_frames=8, cast=(("car", "red"),), actors=(0, 0), occluders=0, rough=0
        )
        clip = render(sample_scene(seed, settings))
        actor = clip.scene.actors[0]
        if (clip.area[[0, -1], 0] < 50).any() or (clip.visibility[[0, -1], 0] < 1).any():
            continue
        inside = [np.nonzero(clip.ids[t] == 1)[1] for t in (0, -1)]
        if any(x.min() == 0 or x.max() == 127 for x in inside):
            continue
        moved.setdefault(actor.direction, []).append(float(inside[1].mean() - inside[0].mean()))
    assert set(moved) == {-1, 0, 1}
    assert max(np.abs(moved[0])) < 8
    assert min(moved[1]) > 0
    assert max(moved[-1]) < 0


def test_objects_leave_and_come_back_and_are_fully_hidden():
    """Forced exits: without them the object score of a tracker is never trained."""
    gone_and_back = hidden = 0
    for seed in seeds(Split.TEST, 60, start=200):
        clip = render(sample_scene(seed, replace(SMALL, n_frames=16)))
        seen = clip.area > 20
        for i in range(seen.shape[1]):
            first, last = seen[:, i].argmax(), len(seen) - seen[::-1, i].argmax()
            gap = ~seen[first:last, i]
            gone_and_back += bool(seen[:, i].any() and gap.any())
            hidden += bool(((clip.full_area[:, i] > 40) & (clip.area[:, i] == 0)).any())
    assert gone_and_back >= 5
    assert hidden >= 3


def test_the_cast_is_in_the_scene():
    scene = sample_scene(SEEDS[0], replace(SMALL, cast=(("car", "red"), ("dog", "yellow"))))
    assert [actor_caption(a) for a in scene.actors[:2]] == ["a red car", "a yellow dog"]
    with pytest.raises(InputError, match="no beige car"):
        replace(SMALL, cast=(("car", "beige"),))


def test_truth_agrees_with_the_id_pictures():
    clip = render(sample_scene(SEEDS[2], SMALL))
    told = truth(clip.scene, clip.ids, clip.full_area, fps=Fraction(8))
    assert told.frame_times[5] == pytest.approx(5 / 8)
    checked = 0
    for track in told:
        for o in track.observations:
            mask = clip.ids[o.frame_index] == track.obj_id
            assert o.mask is not None
            assert (o.mask.to_array() == mask).all()
            ys, xs = np.nonzero(mask)
            assert o.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            checked += 1
    assert checked > 0


def test_things_are_drawn_but_never_named():
    settings = replace(SMALL, things=(2, 2), actors=(1, 1))
    clip = render(sample_scene(SEEDS[3], settings))
    assert sum(a.category is None for a in clip.scene.actors) == 2
    assert len(truth(clip.scene, clip.ids, clip.full_area, fps=Fraction(8))) <= 1


def test_seeds_of_different_uses_never_meet():
    taken = [set(seeds(split, 1000)) | {seeds(split, 1, start=99_999_999)[0]} for split in Split]
    for i, one in enumerate(taken):
        for other in taken[:i]:
            assert not one & other
    with pytest.raises(InputError, match="leave the split"):
        seeds(Split.TRAIN, 2, start=99_999_999)


def test_the_vocabulary_names_every_category_in_every_colour_once():
    labels = vocabulary()["labels"]
    assert len(labels) == len(set(labels)) == len(CATEGORIES) * len(COLOURS) >= 10 * 9
    assert "an orange bicycle" in labels
    scene = sample_scene(SEEDS[0], replace(SMALL, actors=(2, 2)))
    assert all(actor_caption(a) in labels for a in scene.actors)
    assert " and " in frame_caption(scene.actors)
    assert frame_caption([]) == "an empty street"


@pytest.mark.parametrize("bad", [{"height": 32}, {"n_frames": 0}])
def test_impossible_scenes_are_refused(bad):
    with pytest.raises(InputError, match="at least 64x64"):
        SceneSettings(**bad)

from dataclasses import replace

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.training.sam2.augment import Augment, augment_clips, footage, none

SIDE, COUNT = 64, 5
CHANCES = ("affine", "colour", "blur", "jpeg", "occlude", "copy_paste")


def clip(colour: tuple[int, int, int], *, x: int = 10, obj_id: int = 1):
    """A square of one colour that moves right over noise: a pixel tells by its colour whose it is."""
    rng = np.random.default_rng(x)
    frames = rng.integers(90, 110, (COUNT, SIDE, SIDE, 3)).astype(np.uint8)
    ids = np.zeros((COUNT, SIDE, SIDE), np.uint8)
    for t in range(COUNT):
        frames[t, 20:40, x + 3 * t : x + 3 * t + 16] = colour
        ids[t, 20:40, x + 3 * t : x + 3 * t + 16] = obj_id
    return frames, ids


def changed(seed: int, clips, **options):
    settings = replace(none(), **options)
    return augment_clips(np.random.default_rng(seed), clips, settings)


def test_nothing_changes_without_options_and_the_sources_are_never_written_to():
    clips = [clip((250, 10, 10)), clip((10, 10, 250), x=30)]
    kept = [(f.copy(), i.copy()) for f, i in clips]
    for (frames, ids), (before, their) in zip(changed(0, clips), kept, strict=True):
        assert np.array_equal(frames, before) and np.array_equal(ids, their)
    everything = replace(footage(), **dict.fromkeys(CHANCES, 1.0), freeze=0.5)
    for seed in range(5):
        augment_clips(np.random.default_rng(seed), clips, everything)
    for (frames, ids), (before, their) in zip(clips, kept, strict=True):
        assert np.array_equal(frames, before) and np.array_equal(ids, their)


def test_the_same_draw_gives_the_same_clip():
    clips, settings = [clip((250, 10, 10)), clip((10, 10, 250), x=30)], footage()
    first, again = (augment_clips(np.random.default_rng(7), clips, settings) for _ in range(2))
    assert all(
        np.array_equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("options", [{"affine": 1.0}, {"occlude": 1.0}, {"reverse": 1.0, "mirror": 1.0}])
def test_masks_move_with_their_pixels(options):
    for seed in range(8):
        ((frames, ids),) = changed(seed, [clip((250, 10, 10))], **options)
        red = frames[..., 0] - frames[..., 1]
        if "occlude" not in options:  # what occludes may be cut from the object itself
            assert (red[ids == 0] > 150).mean() < 0.02
        assert (red[ids == 1] > 90).mean() > 0.97
        assert (ids == 1).any()


def test_one_draw_holds_for_the_whole_clip():
    still = (clip((250, 10, 10))[0][:1].repeat(COUNT, 0), clip((250, 10, 10))[1][:1].repeat(COUNT, 0))
    for seed in range(5):
        ((frames, ids),) = changed(seed, [still], affine=1.0, drift=0.0, colour=1.0, blur=1.0)
        assert all(np.array_equal(frames[0], f) for f in frames)
        assert all(np.array_equal(ids[0], i) for i in ids)
    ((_, ids),) = changed(1, [still], affine=1.0, drift=0.5)
    assert not np.array_equal(ids[0], ids[-1])


def test_an_occluder_hides_and_travels():
    hidden, places = 0, []
    for seed in range(12):
        before = clip((250, 10, 10))
        ((frames, ids),) = changed(seed, [before], occlude=1.0)
        lost = (before[1] == 1) & (ids == 0)
        hidden += lost.any()
        other = np.abs(frames - before[0]).sum(-1) > 0
        ys, xs = zip(*(np.argwhere(o).mean(0) for o in other if o.any()), strict=True)
        places.append(np.ptp(xs) + np.ptp(ys))
    assert hidden >= 2 and max(places) > 10


def test_an_object_of_another_clip_joins_with_its_pixels_under_a_new_id():
    joined = 0
    for seed in range(10):
        blue = clip((10, 10, 250), x=30, obj_id=1)
        (frames, ids), _ = changed(seed, [clip((250, 10, 10)), blue], copy_paste=1.0)
        if (ids == 2).any():
            joined += 1
            assert (frames[ids == 2][:, 2] > 200).all()
            assert (frames[ids == 1][:, 0] > 200).all()
    assert joined >= 8
    ((_, ids),) = changed(0, [clip((250, 10, 10))], copy_paste=1.0)
    assert ids.max() == 1


def test_frozen_frames_repeat_the_one_before():
    before = clip((250, 10, 10))
    ((frames, ids),) = changed(3, [before], freeze=0.5)
    frozen = [t for t in range(1, COUNT) if np.array_equal(frames[t], frames[t - 1])]
    assert frozen and all(np.array_equal(ids[t], ids[t - 1]) for t in frozen)
    assert np.array_equal(frames[0], before[0][0])


@pytest.mark.parametrize("name", ["colour", "blur", "jpeg"])
def test_colour_blur_and_compression_change_pixels_and_no_mask(name):
    before = clip((250, 10, 10))
    ((frames, ids),) = changed(0, [before], **{name: 1.0})
    assert np.array_equal(ids, before[1])
    assert np.abs(frames - before[0]).mean() > 0.02
    assert frames.min() >= 0 and frames.max() <= 255


def test_chances_beyond_one_and_impossible_zooms_are_refused():
    for wrong in ({"blur": 1.5}, {"occlude": -0.1}, {"zoom": (0.0, 1.0)}):
        with pytest.raises(InputError):
            Augment(**wrong)

"""Rich and scan scenes: chance, ground truth and geometry, checked on what is drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.world import (
    ALL_CATEGORIES,
    CATEGORIES,
    COLOURS,
    EVERYDAY,
    HELD_OUT,
    Scene,
    SceneSettings,
    Split,
    render,
    sample_scene,
    seeds,
)
from seektrack.world.scene import Look, Occluder, Scenery
from seektrack.world.setting import LIGHTS, PLACES, WEATHERS, Setting

RICH = SceneSettings(style="rich", height=96, width=128, n_frames=4, things=(0, 3))
SCAN = replace(RICH, style="scan")
MANY = seeds(Split.TEST, 160, start=1000)
FEW = MANY[:24]


def still(seed: int, **changes: object) -> Scene:
    """One opaque, plain-surfaced object without any disturbance, standing in the middle of a studio."""
    settings = replace(
        RICH, cast=(("car", "red"),), actors=(0, 0), things=(0, 0), occluders=0, rough=0.0, texture=0.0
    )
    scene = sample_scene(seed, settings)
    n = settings.n_frames
    actor = replace(
        scene.actors[0],
        x=np.full(n, 64.0),
        y=np.full(n, 48.0),
        size=np.full(n, 14.0),
        angle=np.zeros(n),
        phase_step=0.0,
        look=replace(
            scene.actors[0].look or Look({}, 0), paint=0.0, shading=0.0, gloss=0.0, alpha=1.0, warp=0.0
        ),
    )
    around = Scenery(Setting("studio"), 0.3)
    return replace(scene, actors=(actor,), occluders=(), scenery=around, noise=0.0, blur=0.0, **changes)


@pytest.mark.parametrize("settings", [RICH, SCAN], ids=["rich", "scan"])
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(settings):
    for seed in FEW[:6]:
        one, again = render(sample_scene(seed, settings)), render(sample_scene(seed, settings))
        assert (one.frames == again.frames).all()
        assert (one.ids == again.ids).all()
        assert (one.full_area == again.full_area).all()
        assert (render(sample_scene(seed + 1, settings)).frames != one.frames).any()


@pytest.mark.parametrize("style", ["rich", "scan"])
@pytest.mark.parametrize("size", [(64, 64), (80, 144), (192, 128)])
def test_ids_belong_to_the_actors_and_no_more_is_seen_than_there_is(style, size):
    for seed in FEW[:8]:
        settings = replace(RICH, style=style, height=size[0], width=size[1], n_frames=2)
        clip = render(sample_scene(seed, settings))
        assert clip.frames.shape == (2, *size, 3)
        assert set(np.unique(clip.ids)) <= {0, *(a.obj_id for a in clip.scene.actors)}
        assert (clip.area <= clip.full_area).all()


def test_every_place_light_and_weather_occurs_and_weather_stays_outdoors():
    told = Counter[str]()
    for seed in MANY:
        setting = sample_scene(seed, RICH).setting
        assert setting is not None
        told.update((setting.place, setting.light, setting.weather))
        if setting.place in {"room", "table", "studio", "pattern"}:
            assert setting.weather == "clear"
    assert set(told) == {*PLACES, *LIGHTS, *WEATHERS} - {"scan"}
    assert sample_scene(FEW[0], SCAN).setting == Setting("scan")
    with pytest.raises(InputError, match="no place 'moon'"):
        Setting("moon")


def test_weather_and_light_change_the_picture_and_never_the_truth():
    scene = still(FEW[0])
    around = scene.scenery
    assert around is not None
    clear = render(scene)
    for change in (
        {"setting": Setting("studio", "night")},
        {"setting": Setting("studio", "dusk")},
        {"setting": Setting("studio", "day", "rain"), "fall": 0.6},
        {"setting": Setting("studio", "day", "snow"), "fall": 0.6},
        {"haze": 0.6},
        {"uneven": 0.5},
        {"jpeg": 30},
        {"gamma": 1.4},
        {"flicker": 0.1},
        {"shadows": 0.5},
        {"shadows": 0.5, "cast_shadows": True},
    ):
        other = render(replace(scene, scenery=replace(around, **change)))
        assert (other.ids == clear.ids).all(), change
        assert (other.frames != clear.frames).any(), change
        if change.get("setting") == Setting("studio", "night"):
            assert other.frames.mean() < 0.75 * clear.frames.mean()


def test_a_shadow_darkens_the_ground_and_belongs_to_no_object():
    scene = still(FEW[1])
    around = scene.scenery
    assert around is not None
    bare = render(scene)
    for cast in (False, True):
        shaded = render(
            replace(scene, scenery=replace(around, shadows=0.6, cast_shadows=cast, sun=(0.8, 0.3)))
        )
        darker = shaded.frames[0].astype(int).sum(-1) < bare.frames[0].astype(int).sum(-1) - 20
        assert (darker & (bare.ids[0] == 0)).sum() > 30
        assert (shaded.ids == bare.ids).all()


def test_near_things_move_more_than_far_ones_when_the_camera_pans():
    scene = still(FEW[2])
    around = scene.scenery
    assert around is not None
    pan = np.zeros((4, 2))
    pan[:, 0] = np.arange(4) * 6.0
    moved = {}
    for depth in (20.0, 110.0):
        actor = replace(scene.actors[0], depth=depth)
        clip = render(replace(scene, actors=(actor,), camera=pan, scenery=replace(around, parallax=0.8)))
        middles = [np.nonzero(clip.ids[t])[1].mean() for t in (0, 3)]
        moved[depth] = middles[0] - middles[1]
    assert moved[20.0] > 5
    assert moved[110.0] > 1.5 * moved[20.0]


def test_far_background_moves_less_than_the_ground():
    scene = still(FEW[3])
    around = scene.scenery
    assert around is not None
    pan = np.zeros((4, 2))
    pan[:, 0] = np.arange(4) * 4.0
    street = replace(around, setting=Setting("street"), parallax=0.9, horizon=0.5)
    clip = render(replace(scene, actors=(), camera=pan, scenery=street))

    def shift(rows: slice) -> int:
        """The offset in x at which the last frame fits the first best."""
        first, last = (clip.frames[t][rows].astype(float).mean(-1) for t in (0, 3))
        errors = [np.abs(first[:, 16:100] - last[:, 16 - d : 100 - d]).mean() for d in range(16)]
        return int(np.argmin(errors))

    assert 0 < shift(slice(8, 44)) < shift(slice(52, 92)) <= 12


def test_a_transparent_object_shows_what_is_behind_and_keeps_its_mask():
    scene = still(FEW[4])
    actor = scene.actors[0]
    assert actor.look is not None
    glass = replace(actor, look=replace(actor.look, alpha=0.5))
    solid, clear = render(scene), render(replace(scene, actors=(glass,)))
    nothing = render(replace(scene, actors=()))
    assert (solid.ids == clear.ids).all()
    inside = solid.ids[0] == 1
    expected = (solid.frames[0][inside].astype(float) + nothing.frames[0][inside]) / 2
    assert np.abs(clear.frames[0][inside] - expected).max() < 3


def test_tinted_glass_changes_colours_and_a_fence_hides_pixels():
    scene = still(FEW[5])
    bare = render(scene)
    pane = Occluder(
        x=64.0,
        width=90.0,
        top=0.0,
        depth=1000.0,
        rgb=np.array([0.0, 90, 0]),
        leaves=None,
        leaf_rgb=np.zeros(3),
        alpha=0.4,
    )
    behind = render(replace(scene, occluders=(pane,)))
    assert (behind.ids == bare.ids).all()
    assert np.abs(behind.frames[0].astype(int) - bare.frames[0]).mean() > 10
    fence = render(replace(scene, occluders=(replace(pane, alpha=1.0, bars=6),)))
    assert 0.3 < fence.area[0, 0] / bare.area[0, 0] < 0.95
    assert (fence.full_area == bare.full_area).all()


def test_objects_are_as_small_as_8_pixels_and_as_large_as_half_the_picture():
    heights = []
    for seed in MANY[:120]:
        scene = sample_scene(seed, replace(RICH, height=256, width=256, crowds=0.0, n_frames=1))
        for a in (a for a in scene.actors if a.category):
            corners = np.concatenate([polygon for _, polygon in a.draw(a.phase)])
            heights.append(float(np.ptp(corners[:, 1]) * a.size[0]))
    assert 7 <= min(heights) < 12
    assert 110 < max(heights) < 180
    assert np.mean(np.array(heights) < 32) > 0.3


def test_held_out_categories_come_only_when_asked_for():
    named = Counter(a.category for s in MANY for a in sample_scene(s, RICH).actors if a.category)
    assert set(named) == {*CATEGORIES, *EVERYDAY}
    asked = replace(SCAN, categories=tuple(HELD_OUT))
    scanned = [a for s in FEW for a in sample_scene(s, asked).actors if a.category]
    assert {a.category for a in scanned} == set(HELD_OUT)
    assert all(a.colour is None for a in scanned)
    assert set(ALL_CATEGORIES) == {*CATEGORIES, *EVERYDAY, *HELD_OUT}
    for bad in (("dragon",), ()):
        with pytest.raises(InputError, match="cannot draw"):
            replace(RICH, categories=bad)
    with pytest.raises(InputError, match="no style 'baroque'"):
        replace(RICH, style="baroque")


def test_drawings_differ_in_silhouette():
    """The outlines of no two categories overlap by more than most of their union."""
    masks = {}
    for name in ALL_CATEGORIES:
        scene = still(FEW[6])
        actor = replace(
            scene.actors[0], draw=ALL_CATEGORIES[name], stretch=1.0, facing=1, size=np.full(4, 20.0)
        )
        masks[name] = render(replace(scene, actors=(actor,))).ids[0] > 0
    names = list(masks)
    for i, one in enumerate(names):
        for other in names[:i]:
            both = (masks[one] & masks[other]).sum() / (masks[one] | masks[other]).sum()
            assert both < 0.83, (one, other)


def test_colours_are_nameable_on_a_clean_day():
    """The median colour under a named object is nearest to the colour it is named after."""
    words, right, seen = list(COLOURS), 0, 0
    palette = np.array([COLOURS[c] for c in words], float)
    for seed in MANY[:60]:
        settings = replace(RICH, cast=(("block", words[seed % 9]),), actors=(0, 0), things=(0, 0), rough=0.0)
        scene = sample_scene(seed, replace(settings, occluders=0, object_size=(30, 40)))
        if scene.setting is None or scene.setting.light != "day" or scene.blur > 0:
            continue
        clip = render(scene)
        inside = clip.frames[0][clip.ids[0] == 1]
        if len(inside) < 100:
            continue
        seen += 1
        right += (
            words[int(np.abs(palette - np.median(inside, axis=0)).sum(1).argmin())] == scene.actors[0].colour
        )
    assert seen > 15
    assert right / seen > 0.85


def test_crowds_deforming_things_and_hidden_objects_occur():
    crowded = deforming = hidden = seen_through = 0
    for seed in MANY[:100]:
        scene = sample_scene(seed, replace(RICH, n_frames=8))
        named = sum(a.category is not None for a in scene.actors)
        assert named <= 15
        crowded += named > 6
        deforming += any(a.look is not None and a.look.warp for a in scene.actors)
        seen_through += any(a.look is not None and a.look.alpha < 1 for a in scene.actors)
    for seed in MANY[:40]:
        clip = render(sample_scene(seed, replace(RICH, n_frames=8, height=64, width=64)))
        gone = (clip.full_area > 30) & (clip.area == 0)
        hidden += bool((gone.any(0) & (clip.area > 10).any(0)).any())
    assert 3 <= crowded <= 30
    assert deforming > 20
    assert seen_through > 5
    assert hidden >= 4
    for seed in FEW:
        scene = sample_scene(seed, replace(RICH, crowds=0.0))
        assert sum(a.category is not None for a in scene.actors) <= 6


def test_a_deforming_object_changes_its_outline_and_a_rigid_one_does_not():
    scene = still(FEW[7])
    actor = scene.actors[0]
    assert actor.look is not None
    soft = replace(actor, look=replace(actor.look, warp=0.12, warp_step=0.8))
    rigid, bent = render(scene).ids, render(replace(scene, actors=(soft,))).ids
    assert (rigid[0] == rigid[3]).all()
    assert (bent[0] != bent[3]).sum() > 20


def test_a_scan_is_grey_and_its_objects_lie_inside_the_field_of_view():
    for seed in FEW[:8]:
        clip = render(sample_scene(seed, replace(SCAN, categories=tuple(HELD_OUT))))
        assert (np.ptp(clip.frames.astype(int), axis=-1) <= 2).all()
        dark = clip.frames[..., 0].max(0) < 14
        assert dark.mean() > 0.1
        assert (clip.ids[:, dark] > 0).mean() < 0.05


def test_things_have_many_shapes_and_stay_nameless():
    """Some outlines are slim, some have holes, some are solid, and captions can name none of them."""
    settings = replace(
        RICH, actors=(0, 0), things=(1, 1), occluders=0, look_alikes=0, object_size=(40, 44), n_frames=1
    )
    solidity = []
    for seed in MANY[:40]:
        clip = render(sample_scene(seed, settings))
        (thing,) = clip.scene.actors
        assert thing.category is None
        assert thing.colour is None
        ys, xs = np.nonzero(clip.ids[0])
        if len(xs) > 50:
            solidity.append(len(xs) / (np.ptp(xs) + 1) / (np.ptp(ys) + 1))
    assert len(solidity) > 20
    assert min(solidity) < 0.45
    assert max(solidity) > 0.8

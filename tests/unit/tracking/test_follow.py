from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seektrack.errors import PromptError, QueryError
from seektrack.tracking import FollowSettings
from seektrack.tracking.follow import follow_with
from seektrack.tracking.follow_pointed import follow_prompts_with
from seektrack.types import Mask, Prompt

N = 40
SETTINGS = FollowSettings(ground_every_s=1.0, look_every_s=0.3)


def on(lies: dict, k: int) -> list[int]:
    """Frames on which a track lies on thing ``k``, having checked that it lies on nothing else."""
    assert set(lies.values()) == {k}
    return sorted(lies)


def test_only_what_is_asked_for_is_followed(make_world, make_thing, encoder, truth_of):
    world = make_world([make_thing("red", 20, 30, 3, N), make_thing("blue", 140, 70, -3, N)])
    tracks = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    assert [t.obj_id for t in tracks] == [1]
    assert on(truth_of(world, tracks.tracks[0]), 0) == list(range(N))
    assert tracks.tracks[0].score > 0.8 and tracks.tracks[0].label == "a red box"
    assert tracks.query == "a red box"
    assert tracks.frame_times == pytest.approx({i: i / 10 for i in range(N)})


def test_nothing_of_the_kind_gives_no_tracks(make_world, make_thing, encoder):
    world = make_world([make_thing("blue", 20, 30, 3, N)])
    tracks = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    assert len(tracks) == 0 and len(tracks.frame_times) == N
    with pytest.raises(QueryError):
        follow_with(world, encoder, world.source, " ", settings=SETTINGS)


def test_newcomer_gets_its_own_id_and_its_time_before_it_was_found(make_world, make_thing, encoder, truth_of):
    entering = make_thing("red", 150, 70, -3, N, absent=range(13))
    world = make_world([make_thing("red", 20, 30, 3, N), entering])
    tracks = follow_with(world, encoder, world.source, "red boxes", settings=SETTINGS)
    by_thing = {on(truth_of(world, t), k)[0]: t for k, t in zip((0, 1), _by_start(tracks), strict=True)}
    assert sorted(by_thing) == [0, 13]
    forward_only = FollowSettings(ground_every_s=1.0, both_ways=False)
    late = follow_with(world, encoder, world.source, "red boxes", settings=forward_only)
    assert _by_start(late)[1].observations[0].frame_index == 20


@pytest.mark.parametrize("other_half", [frozenset(), frozenset({0})])
def test_a_half_is_made_whole_when_the_rest_is_found(other_half, make_world, make_thing, whole_encoder):
    """Found later is the whole, or only the other half, which is no second object."""
    thing = make_thing("red", 20, 30, 2, N, w=32, h=32)
    world = make_world([thing], halved={0: 10}, other_half=other_half)
    (track,) = follow_with(world, whole_encoder, world.source, "a red box", settings=SETTINGS)
    widths = [o.box[2] - o.box[0] for o in track.observations]
    assert widths[9] == pytest.approx(16, abs=2)
    assert widths[12:] == pytest.approx([32] * (N - 12), abs=2)  # the rest moved unexplained on frame 2


def test_seeds_are_grounded_on(make_world, make_thing, encoder):
    world = make_world([make_thing("red", 150, 70, -3, N, absent=range(13))])
    settings = FollowSettings(ground_every_s=60.0, both_ways=False)
    assert len(follow_with(world, encoder, world.source, "a red box", settings=settings)) == 0
    found = follow_with(world, encoder, world.source, "a red box", seeds=[17], settings=settings)
    assert found.tracks[0].observations[0].frame_index == 17


def test_short_occlusion_keeps_the_id_and_the_place(make_world, make_thing, encoder, truth_of):
    world = make_world([make_thing("red", 20, 30, 3, N), make_thing("blue", 80, 30, 0, N, w=34, h=40)])
    (track,) = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    assert on(truth_of(world, track), 0)[0] == 0
    hidden = [o for o in track.observations if not o.visible]
    assert hidden and all(o.mask is None for o in hidden)
    for o in hidden:
        assert o.centre[0] == pytest.approx(20 + 3 * o.frame_index, abs=8)
    assert track.at(N - 1).visible


def test_object_that_was_gone_for_long_comes_back_under_its_id(make_world, make_thing, encoder, truth_of):
    world = make_world([make_thing("red", 20, 30, 3, N, absent=range(10, 26))])
    (track,) = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    frames = on(truth_of(world, track), 0)
    assert set(range(10)) | set(range(26, N)) == set(frames)


def test_a_track_is_judged_by_all_its_looks(make_world, make_thing, encoder):
    """Something that looks right when it is found and doubtful afterwards is not what was asked for."""
    doubtful = make_thing("red", 20, 70, 3, N)
    doubtful.colours = ["red"] * 3 + ["rust"] * (N - 3)
    world = make_world([make_thing("red", 20, 30, 3, N), doubtful])
    tracks = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    assert _rows(tracks) == {30}
    lenient = replace(SETTINGS, min_confidence=0.02)
    assert _rows(follow_with(world, encoder, world.source, "a red box", settings=lenient)) == {30, 70}


def test_drift_onto_another_object_is_taken_back(make_world, make_thing, encoder, truth_of):
    world = make_world(
        [make_thing("red", 20, 30, 3, N), make_thing("blue", 23, 52, 3, N)], drift={12: (0, 1)}
    )
    tracks = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    lies = [truth_of(world, t) for t in tracks]
    assert len(tracks) == 1
    wrong = [f for f, k in lies[0].items() if k != 0]
    assert len(wrong) <= 2
    assert {f for f, k in lies[0].items() if k == 0} >= {*range(12), *range(20, N)}


def test_two_ids_on_one_object_become_one(make_world, make_thing, encoder):
    """The session loses the object while it is in sight, so grounding finds it again as a candidate."""
    world = make_world(
        [make_thing("red", 20, 30, 3, N)], blind={(t, 0) for t in range(8, 19)}, forget_after=2
    )
    tracks = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    assert len(tracks) == 1
    assert sum(o.visible for o in tracks.tracks[0].observations) >= N - 11


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a red box moving right", {20}),
        ("a red box moving left", {70}),
        ("a red box standing still", {45}),
        ("a red box", {20, 45, 70}),
    ],
)
def test_words_of_motion_choose_among_tracks(text, rows, make_world, make_thing, encoder):
    world = make_world(
        [make_thing("red", 20, 20, 3, N), make_thing("red", 60, 45, 0, N), make_thing("red", 140, 70, -3, N)]
    )
    tracks = follow_with(world, encoder, world.source, text, settings=SETTINGS)
    assert _rows(tracks) == rows


def test_words_of_size_choose_among_tracks(make_world, make_thing, encoder):
    world = make_world(
        [make_thing("red", 20, 20, 3, N, w=12, h=10), make_thing("red", 30, 60, 2, N, w=44, h=32)]
    )
    for text, row in (("the small red box", 20), ("the large red box", 60)):
        (track,) = follow_with(world, encoder, world.source, text, settings=SETTINGS)
        assert np.median([o.centre[1] for o in track.observations]) == pytest.approx(row, abs=1)


def test_progress_counts_both_ways(make_world, make_thing, encoder):
    world = make_world([make_thing("red", 150, 70, -3, N, absent=range(13))])
    calls = []
    follow_with(
        world, encoder, world.source, "a red box", settings=SETTINGS, progress=lambda *c: calls.append(c)
    )
    forward = [c for c in calls if c[2] == "forward"]
    assert [c[0] for c in forward] == list(range(1, N + 1))
    assert {c[1] for c in forward} == {N}
    backward = [c for c in calls if c[2] == "backward"]
    assert backward and backward[-1][0] <= backward[-1][1]


def test_the_way_back_stops_where_there_is_nothing(make_world, make_thing, encoder):
    world = make_world([make_thing("red", 120, 70, -1, 60, absent=range(41))])
    world.steps.clear()
    follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    backward = world.steps[np.flatnonzero(np.diff(world.steps) < 0)[0] + 1 :]
    assert min(backward) > 20


def test_prompts_by_hand_go_both_ways_and_keep_their_ids(make_world, make_thing, truth_of):
    world = make_world([make_thing("red", 20, 30, 3, N), make_thing("blue", 140, 70, -3, N)])
    point = Prompt(9, 15, points=np.array([[65.0, 30.0]]), point_labels=np.array([1]), label="mine")
    mask = Prompt(4, 25, mask=Mask.from_array(world.truth[25, 1]))
    tracks = follow_prompts_with(world, world.source, [point, mask])
    assert [t.obj_id for t in tracks] == [4, 9]
    assert on(truth_of(world, tracks.tracks[0]), 1) == list(range(N))
    assert on(truth_of(world, tracks.tracks[1]), 0) == list(range(N))
    assert tracks.tracks[1].label == "mine"
    assert tracks.query == ""


def test_prompts_by_hand_are_never_merged(make_world, make_thing):
    world = make_world([make_thing("red", 20, 30, 3, N)])
    mask = Mask.from_array(world.truth[0, 0])
    tracks = follow_prompts_with(world, world.source, [Prompt(1, 0, mask=mask), Prompt(2, 0, mask=mask)])
    assert [len(t) for t in tracks] == [N, N]


def test_what_is_pointed_at_is_known_again_by_an_encoder(make_world, make_thing, encoder, truth_of):
    """After a cut another thing of the same outline stands there; the object itself comes later."""
    looked: list[int] = []

    class Eyes(type(encoder)):
        def embed_images(self, images, *, batch_size=32):
            looked.append(len(images))
            return super().embed_images(images, batch_size=batch_size)

    world = make_world([make_thing("red", 20, 30, 3, N)])
    prompts = [Prompt(1, 0, mask=Mask.from_array(world.truth[0, 0]))]
    (track,) = follow_prompts_with(world, world.source, prompts, encoder=Eyes())
    assert len(on(truth_of(world, track), 0)) == N
    assert sum(looked) <= 2 * N / (10 * SETTINGS.look_every_s) + 2  # at intervals, not on every frame


def test_prompts_that_find_nothing_end_at_once(make_world, make_thing):
    """An empty answer where one points will not fill up by going through hours of video."""
    things = [make_thing("red", 20, 30, 3, N), make_thing("blue", 140, 70, -3, N)]
    lost = make_world(things, blind={(5, 0)})
    boxes = [Prompt(k, 5, box=(24, 22, 46, 38)) for k in (3, 4)]
    tracks = follow_prompts_with(lost, lost.source, boxes, settings=SETTINGS)
    assert len(tracks) == 0 and max(lost.steps) == 5
    found = follow_prompts_with(lost, lost.source, [*boxes, Prompt(5, 9, box=(102, 62, 124, 78))])
    assert [t.obj_id for t in found][-1] == 5 and max(lost.steps) == N - 1


def test_prompts_that_cannot_be_followed_are_refused(make_world, make_thing):
    world = make_world([make_thing("red", 20, 30, 3, N)])
    with pytest.raises(PromptError, match="no prompts"):
        follow_prompts_with(world, world.source, [])
    late = Prompt(1, 99, box=(10, 20, 30, 40))
    with pytest.raises(PromptError, match=r"99.*0 to 39"):
        follow_prompts_with(world, world.source, [late])


def _rows(tracks):
    return {round(np.median([o.centre[1] for o in t.observations])) for t in tracks}


def _by_start(tracks):
    return sorted(tracks, key=lambda t: t.observations[0].frame_index)

from __future__ import annotations

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.tracking import Detection, IdentitySettings, IdentityTracker, TrackState
from seektrack.types import Mask

HW = (120, 200)
DT = 0.1


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


RED, BLUE = unit(1, 0.1, 0), unit(0, 0.1, 1)


def rect(cx: float, cy: float, w: int = 24, h: int = 16) -> Mask:
    pixels = np.zeros(HW, dtype=bool)
    x0, y0 = round(cx - w / 2), round(cy - h / 2)
    pixels[max(y0, 0) : max(y0 + h, 0), max(x0, 0) : max(x0 + w, 0)] = True
    return Mask.from_array(pixels)


def seen(mask: Mask, obj_id: int | None = None, **more) -> Detection:
    return Detection(mask.box, mask, more.pop("score", 0.9), obj_id, **more)


def run(tracker: IdentityTracker, frames: list[list[Detection]], start: int = 0) -> list:
    return [tracker.update(start + i, (start + i) * DT, d) for i, d in enumerate(frames)]


def steady(obj_id: int, x0: float, y: float, n: int, step: float = 4, **more) -> list[list[Detection]]:
    return [[seen(rect(x0 + step * i, y), obj_id, **more)] for i in range(n)]


def test_engine_masks_become_observations_under_their_ids():
    out = run(IdentityTracker(HW), steady(7, 30, 40, 5))
    assert [sorted(o.observations) for o in out] == [[7]] * 5
    assert out[0].new == (7,) and out[1].new == ()
    assert out[4].observations[7].mask == rect(46, 40)


def test_hidden_object_is_predicted_then_lost_then_forgotten():
    settings = IdentitySettings(max_hidden_s=0.5, max_lost_s=1.2)
    tracker = IdentityTracker(HW, settings=settings)
    run(tracker, steady(1, 30, 40, 8))
    hidden = run(tracker, [[] for _ in range(14)], start=8)
    for i in range(5):
        observation = hidden[i].observations[1]
        truth = 30 + 4 * (8 + i)
        assert not observation.visible and observation.mask is None
        assert observation.centre[0] == pytest.approx(truth, abs=6)
        assert observation.box[2] - observation.box[0] == pytest.approx(24, abs=2)
    assert hidden[0].observations[1].score > hidden[4].observations[1].score
    assert hidden[5].observations == {}
    assert hidden[13].dropped == () and hidden[12].dropped == (1,)
    assert tracker.memory(1) is None


def test_object_that_leaves_the_picture_is_not_predicted_outside():
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 165, 40, 8, step=5))
    out = run(tracker, [[] for _ in range(4)], start=8)
    assert all(o.observations == {} for o in out)
    assert tracker.memory(1).state is TrackState.OUT_OF_VIEW
    assert out[-1].states == {1: TrackState.OUT_OF_VIEW}


def test_engine_finds_hidden_object_again_under_its_id():
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 30, 40, 6))
    run(tracker, [[], []], start=6)
    back = tracker.update(8, 0.8, [seen(rect(62, 40), 1)])
    assert back.observations[1].visible
    assert tracker.memory(1).state is TrackState.ACTIVE


def test_low_score_and_tiny_masks_are_not_believed():
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 30, 40, 4))
    out = run(tracker, [[seen(rect(46, 40), 1, score=0.2)], [seen(rect(50, 40, 3, 3), 1)]], start=4)
    assert [o.observations[1].visible for o in out] == [False, False]


def test_impossible_jump_is_hidden_unless_it_stays():
    settings = IdentitySettings(jump_frames=3)
    tracker = IdentityTracker(HW, settings=settings)
    run(tracker, steady(1, 20, 20, 8, step=1))
    out = run(tracker, [[seen(rect(180, 100), 1)]] * 4, start=8)
    assert [o.observations[1].visible for o in out] == [False, False, True, True]


def test_jump_is_settled_at_once_by_looks():
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 20, 20, 8, step=1, embedding=RED))
    denied = tracker.update(8, 0.8, [seen(rect(180, 100), 1, embedding=unit(1, 0, 1))])
    assert not denied.observations[1].visible
    allowed = tracker.update(9, 0.9, [seen(rect(180, 100), 1, embedding=RED)])
    assert allowed.observations[1].visible


def test_drift_is_dropped_and_taken_back():
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 30, 40, 6, embedding=RED))
    drift = [[seen(rect(54 + 4 * i, 40), 1, embedding=BLUE if i % 2 == 0 else None)] for i in range(3)]
    out = run(tracker, drift, start=6)
    assert out[0].retracted == () and out[0].observations[1].visible
    assert out[2].retracted == ((1, 6),)
    assert out[2].dropped == (1,)
    assert 1 not in out[2].observations
    assert tracker.memory(1).appearance.similarity(BLUE) < 0.2


def test_a_sliver_is_not_judged_by_its_looks():
    """An object going behind another keeps its id and place, although what is left of it looks wrong."""
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 30, 40, 8, embedding=RED))
    out = run(tracker, [[seen(rect(66 + i, 40, 7, 16), 1, embedding=BLUE)] for i in range(3)], start=8)
    assert all(o.observations[1].visible and not o.dropped for o in out)
    hidden = tracker.update(11, 1.1, [])
    assert not hidden.observations[1].visible
    assert hidden.observations[1].box[2] - hidden.observations[1].box[0] > 18
    assert tracker.memory(1).appearance.similarity(BLUE) < 0.2


def test_candidates_are_told_from_followed_objects():
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 30, 40, 4))
    whole, other = rect(46, 40), rect(120, 80)
    wheel = rect(40, 45, 8, 6)
    out = tracker.update(4, 0.4, [seen(whole, 1), seen(rect(47, 41)), seen(wheel), seen(other)])
    assert out.candidate_ids[:2] == (1, 1)
    assert out.candidate_ids[2] == 2
    assert out.new == (2,)
    assert sorted(out.observations) == [1, 2]


def test_lost_object_is_recognised_among_strangers():
    settings = IdentitySettings(max_hidden_s=0.3)
    tracker = IdentityTracker(HW, settings=settings)
    run(tracker, steady(1, 30, 40, 5, embedding=RED))
    run(tracker, [[] for _ in range(8)], start=5)
    assert tracker.memory(1).state is TrackState.LOST
    out = tracker.update(13, 1.3, [seen(rect(60, 40), embedding=BLUE), seen(rect(110, 60), embedding=RED)])
    assert out.candidate_ids == (2, 1)
    assert out.revived == (1,) and out.new == (2,)


def test_two_answers_to_a_lost_object_are_that_one_object():
    """Grounding may answer twice with one thing: the second answer is no newcomer."""
    tracker = IdentityTracker(HW, settings=IdentitySettings(max_hidden_s=0.3))
    run(tracker, steady(1, 30, 40, 5, embedding=RED))
    run(tracker, [[] for _ in range(8)], start=5)
    given = [seen(rect(110, 60), embedding=RED), seen(rect(113, 61), embedding=RED)]
    out = tracker.update(13, 1.3, given)
    assert out.candidate_ids == (1, 1)
    assert out.revived == (1,) and out.new == ()
    fresh = IdentityTracker(HW).update(0, 0.0, given)
    assert fresh.candidate_ids == (1, 1) and fresh.new == (1,)


def half(cx: float, cy: float) -> Mask:
    return rect(cx - 8, cy, 8, 16)


def test_a_newcomer_that_turns_out_to_be_one_that_was_lost_takes_its_id():
    """What comes into sight shows a part at first, and looks like nobody."""
    tracker = IdentityTracker(HW, settings=IdentitySettings(max_hidden_s=0.3))
    run(tracker, steady(1, 30, 40, 5, embedding=RED))
    run(tracker, [[] for _ in range(8)], start=5)
    first = tracker.update(13, 1.3, [seen(half(100, 40))])
    assert first.new == (2,)
    out = run(tracker, steady(2, 104, 40, 2, embedding=RED), start=14)
    assert [o.merged for o in out] == [(), ((2, 1),)]
    assert out[1].dropped == (2,) and out[1].corrected[1] == rect(108, 40)
    assert sorted(out[1].observations) == [1] and out[1].observations[1].visible
    assert tracker.memory(2) is None


def test_a_newcomer_seen_beside_another_or_pointed_at_stays_itself():
    tracker = IdentityTracker(HW, settings=IdentitySettings(max_hidden_s=0.3))
    run(tracker, steady(1, 30, 40, 5, embedding=RED))
    beside = [seen(rect(54, 40), 1, embedding=RED), seen(rect(120, 80), embedding=RED)]
    assert tracker.update(5, 0.5, beside).new == (2,)
    out = run(tracker, steady(2, 121, 80, 9, step=1, embedding=RED), start=6)
    assert all(o.merged == () for o in out)
    pointed = IdentityTracker(HW, settings=IdentitySettings(max_hidden_s=0.3))
    run(pointed, steady(1, 30, 40, 5, embedding=RED))
    run(pointed, [[] for _ in range(8)], start=5)
    pointed.update(13, 1.3, [seen(rect(100, 40), 5, embedding=RED, trusted=True)])
    out = run(pointed, steady(5, 104, 40, 3, embedding=RED), start=14)
    assert all(o.merged == () for o in out)


def test_lost_object_is_not_recognised_without_looks_or_out_of_reach():
    settings = IdentitySettings(max_hidden_s=0.3, max_speed=1.0)
    tracker = IdentityTracker(HW, settings=settings)
    run(tracker, steady(1, 20, 20, 5, embedding=RED, step=1))
    run(tracker, [[] for _ in range(5)], start=5)
    out = tracker.update(10, 1.0, [seen(rect(25, 20)), seen(rect(185, 105), embedding=RED)])
    assert out.revived == ()
    assert out.candidate_ids == (2, 3)


def test_candidates_alone_are_tracked_as_sort_would():
    """No engine at all: crossing objects keep their ids by motion."""
    tracker = IdentityTracker(HW)
    rng = np.random.default_rng(3)
    ids = []
    for i in range(30):
        a = rect(20 + 5 * i + rng.normal(0, 1), 40)
        b = rect(165 - 5 * i + rng.normal(0, 1), 62)
        pair = [seen(a), seen(b)]
        order = rng.permutation(2)
        given = tracker.update(i, i * DT, [pair[k] for k in order]).candidate_ids
        ids.append(tuple(np.array(given)[np.argsort(order)]))
    assert set(ids) == {ids[0]}


def test_one_object_found_twice_is_merged_into_the_elder():
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 30, 40, 5))
    twice = [[seen(rect(50 + 4 * i, 40), 1), seen(rect(51 + 4 * i, 40), 2)] for i in range(3)]
    out = run(tracker, twice, start=5)
    assert [o.merged for o in out] == [(), (), ((2, 1),)]
    assert out[2].dropped == (2,)
    assert sorted(out[2].observations) == [1]


def test_object_hidden_behind_another_keeps_its_id():
    """The engine puts both ids on the one in front; the one that fits its own past keeps it."""
    tracker = IdentityTracker(HW)
    run(tracker, [[seen(rect(30 + 4 * i, 40), 1), seen(rect(90, 40, 40, 30), 2)] for i in range(12)])
    front = rect(90, 40, 40, 30)
    out = run(tracker, [[seen(front, 1), seen(front, 2)]] * 3, start=12)
    for o in out:
        assert o.merged == ()
        assert o.observations[2].visible
        assert not o.observations[1].visible
    after = tracker.update(15, 1.5, [seen(rect(30 + 4 * 15, 40), 1), seen(front, 2)])
    assert after.observations[1].visible


def test_works_backwards_in_time():
    tracker = IdentityTracker(HW)
    for i in range(10, 4, -1):
        tracker.update(i, i * DT, [seen(rect(30 + 4 * i, 40), 1)])
    out = tracker.update(4, 0.4, [])
    assert out.observations[1].centre[0] == pytest.approx(46, abs=4)


def test_trusted_detection_is_believed_whatever_it_looks_like():
    tracker = IdentityTracker(HW)
    run(tracker, steady(1, 20, 20, 8, step=1, embedding=RED))
    out = tracker.update(8, 0.8, [seen(rect(180, 100), 1, embedding=BLUE, trusted=True)])
    assert out.observations[1].visible


def test_an_id_twice_on_a_frame_is_refused():
    with pytest.raises(InputError, match="once a frame"):
        IdentityTracker(HW).update(0, 0.0, [seen(rect(30, 30), 1), seen(rect(60, 30), 1)])


def test_memory_stays_bounded():
    tracker = IdentityTracker(HW)
    for i in range(300):
        look = unit(1, np.sin(i), np.cos(i))
        tracker.update(i, i * DT, [seen(rect(100 + 20 * np.sin(i / 9), 60), 1, embedding=look)])
    memory = tracker.memory(1)
    assert len(memory.boxes) <= 12
    assert len(memory.appearance.exemplars) <= 6
    assert memory.hits == 300 and memory.appearance.count > 0

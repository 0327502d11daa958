from __future__ import annotations

import numpy as np
import pytest

from seektrack.query import read
from seektrack.tracking import FollowSettings
from seektrack.tracking.judge import merge_duplicates
from seektrack.tracking.memory import FrameIdentities
from seektrack.tracking.record import Look, Record, same_object, smooth_hidden, verdict
from seektrack.types import Mask, Observation


def at(frame: int, x: float, *, visible: bool = True, width: int = 6) -> Observation:
    pixels = np.zeros((20, 60), dtype=bool)
    pixels[5:11, int(x) : int(x) + width] = True
    mask = Mask.from_array(pixels) if visible else None
    return Observation(frame, frame * 0.1, (x, 5.0, x + width, 11.0), mask, 0.9, visible)


def frame(index: int, **settled) -> FrameIdentities:
    settled.setdefault("observations", {})
    return FrameIdentities(index, index * 0.1, **settled)


def test_retraction_takes_back_observations_and_looks_from_the_frame_on():
    record = Record()
    for i in range(4):
        record.write(frame(i, observations={1: at(i, i)}))
        record.looks.setdefault(1, []).append(Look(i, 0.9 - 0.2 * i, 36))
    record.write(frame(4, retracted=((1, 2),)))
    assert sorted(record.observations[1]) == [0, 1]
    assert [k.frame_index for k in record.looks[1]] == [0, 1]


def test_retraction_on_the_way_back_takes_the_earlier_frames():
    record = Record()
    for i in (5, 4, 3):
        record.write(frame(i, observations={1: at(i, i)}), backwards=True)
    record.write(frame(2, retracted=((1, 4),)), backwards=True)
    assert sorted(record.observations[1]) == [5]


def test_merge_prefers_sights_of_the_survivor():
    record = Record()
    record.observations = {1: {0: at(0, 0), 1: at(1, 1, visible=False)}, 2: {0: at(0, 9), 1: at(1, 9)}}
    record.looks = {2: [Look(1, 0.8, 36)]}
    record.merge(2, 1)
    assert record.observations == {1: {0: at(0, 0), 1: at(1, 9)}}
    assert record.looks == {1: [Look(1, 0.8, 36)]}


def test_backward_fills_only_what_was_not_seen():
    forward, backward = Record(), Record()
    forward.observations = {1: {5: at(5, 20), 6: at(6, 24, visible=False), 7: at(7, 28)}}
    backward.observations = {1: {4: at(4, 16), 5: at(5, 50), 6: at(6, 25)}}
    forward.add_backward(backward)
    assert forward.observations[1] == {4: at(4, 16), 5: at(5, 20), 6: at(6, 25), 7: at(7, 28)}


def test_hidden_positions_go_straight_between_sights():
    track = [at(0, 10), at(1, 33, visible=False), at(2, 2, visible=False), at(3, 16, width=9)]
    smoothed = smooth_hidden(track)
    assert [o.box[0] for o in smoothed] == pytest.approx([10, 12, 14, 16])
    assert smoothed[1].box[2] - smoothed[1].box[0] == pytest.approx(7)
    assert [o.visible for o in smoothed] == [True, False, False, True]


def test_predictions_outside_the_sights():
    hidden = [at(i, 10, visible=False) for i in range(6)]
    assert smooth_hidden(hidden) == []
    track = [hidden[0], at(1, 10), *hidden[2:]]
    assert smooth_hidden(track) == track[1:]
    assert smooth_hidden(track, max_trailing=2) == track[1:4]


def test_verdict_weighs_looks_by_side():
    assert verdict([]) is None
    assert verdict([Look(0, 1.0, 400), Look(1, 0.0, 100)]) == pytest.approx(2 / 3)


def test_same_object_needs_coinciding_masks_on_most_of_the_shorter():
    long = {i: at(i, i) for i in range(20)}
    double = {i: at(i, i) for i in range(5, 12)}
    passing = {i: at(i, 18 - i) for i in range(18)}
    rule = {"iou": 0.6, "cover": 0.8, "share": 0.6}
    assert same_object(long, double, **rule)
    assert not same_object(long, passing, **rule)
    assert not same_object(long, {30: at(30, 3)}, **rule)


def test_a_part_of_an_object_is_no_second_one():
    whole = {i: at(i, i, width=12) for i in range(20)}
    part = {i: at(i, i + 2, width=4) for i in range(10)}
    beside = {i: at(i, i + 11, width=4) for i in range(10)}
    rule = {"iou": 0.6, "cover": 0.8, "share": 0.6}
    assert same_object(whole, part, **rule) and same_object(part, whole, **rule)
    assert not same_object(whole, part, iou=0.6, cover=1.1, share=0.6)
    assert not same_object(whole, beside, **rule), "a quarter of it lies inside"
    record = Record(observations={1: part, 2: whole})
    assert record.area(2) == 20 * 12 * 6


def test_why_an_object_has_no_observation_is_written_down_and_survives_json(tmp_path):
    from fractions import Fraction

    from seektrack.outputs import load_tracks, save_tracks
    from seektrack.tracking import FrameIdentities, TrackState
    from seektrack.types import Absence, Mask, Observation, Track, Tracks, VideoInfo

    pixels = np.zeros((20, 30), bool)
    pixels[4:10, 4:10] = True
    pixels[4, 10:28] = True  # a whisker that stretches the box
    mask = Mask.from_array(pixels)
    seen = {t: {1: Observation(t, t / 8, mask.box, mask, 0.9)} for t in (0, 1, 8)}
    states = {2: "OUT_OF_VIEW", 3: "OUT_OF_VIEW", 4: "LOST", 5: "LOST", 6: "OUT_OF_VIEW"}
    record = Record()
    for t in range(9):
        known = {1: TrackState[states[t]]} if t in states else {}
        record.write(FrameIdentities(t, t / 8, seen.get(t, {}), states=known))
        record.frame_times[t] = t / 8
    away = record.absences(1)
    assert away == (Absence(2, 3, "out of view"), Absence(4, 5, "lost"), Absence(6, 6, "out of view"))
    track = Track(1, "a cup", 0.9, tuple(record.seen(1)), absences=away)
    assert [track.state(t) for t in (1, 3, 5, 7)] == ["visible", "out of view", "lost", None]
    info = VideoInfo("film.mp4", 30, 20, Fraction(8), 9 / 8, 9)
    save_tracks(Tracks(info, "", (track,), record.frame_times), tmp_path / "t.json", "json")
    (again,) = load_tracks(tmp_path / "t.json")
    assert again.absences == away
    assert again.observations[0].centre[0] == 16 and again.observations[0].point[0] == pytest.approx(
        11.5, abs=0.6
    )


@pytest.mark.parametrize(("sure", "left"), [(0.9, [2]), (0.1, [1, 2])])
def test_only_what_is_believed_takes_another_in(sure, left):
    """A blob of the background that covers an object is not its whole."""
    small, large = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    small[10:20, 10:20], large[5:30, 5:40] = True, True
    record = Record()
    for obj_id, pixels, belief in ((1, small, 0.9), (2, large, sure)):
        mask = Mask.from_array(pixels)
        for frame in range(6):
            record.put(obj_id, Observation(frame, frame / 8, mask.box, mask, 0.9))
            record.looks.setdefault(obj_id, []).append(Look(frame, belief, mask.area))
    merge_duplicates(record, read("a red box").concepts, FollowSettings())
    assert sorted(record.observations) == left

"""Two alike that cross, and objects looked for where the engine does not show them."""

from __future__ import annotations

import numpy as np
import pytest

from seektrack.tracking import Detection, IdentitySettings, IdentityTracker, TrackState
from seektrack.tracking.cues import cues_of
from seektrack.tracking.seek import Glance
from seektrack.types import Mask

HW = (120, 200)
PAINT = {"red": (200, 40, 40), "blue": (40, 60, 200)}


def pixels(cx: float, cy: float, w: int = 24, h: int = 16) -> np.ndarray:
    out = np.zeros(HW, dtype=bool)
    x0, y0 = round(cx - w / 2), round(cy - h / 2)
    out[max(y0, 0) : max(y0 + h, 0), max(x0, 0) : max(x0 + w, 0)] = True
    return out


def picture(**where: np.ndarray) -> np.ndarray:
    out = np.full((*HW, 3), 120, np.uint8)
    for colour, mask in where.items():
        out[mask] = PAINT[colour]
    return out


def seen(mask: np.ndarray, obj_id: int | None = None, image: np.ndarray | None = None) -> Detection:
    held = Mask.from_array(mask)
    cues = {} if image is None else cues_of(image, mask)
    return Detection(held.box, held, 0.95, obj_id, cues=cues)


def centre(settled, obj_id: int) -> float:
    return settled.observations[obj_id].centre[0]


def test_two_alike_that_cross_keep_their_ids_when_the_engine_leaves_with_the_other():
    """Both masks hold both objects while they meet, and come out of it the wrong way round."""
    tracker = IdentityTracker(HW, settings=IdentitySettings(merge=False))
    swaps: list[tuple[int, int]] = []
    for t in range(30):
        one, two = 30 + 5.0 * t, 175 - 5.0 * t
        a, b = pixels(one, 50), pixels(two, 56)
        if abs(one - two) < 34:
            given = [seen(a | b, 1), seen(a | b, 2)]
        elif one < two or swaps:
            given = [seen(a, 1), seen(b, 2)]
        else:
            given = [seen(b, 1), seen(a, 2)]
        settled = tracker.update(t, t / 10, given)
        swaps += settled.swapped
        for obj_id, x in ((1, one), (2, two)):
            if abs(one - two) > 45 and settled.observations[obj_id].visible:
                assert centre(settled, obj_id) == pytest.approx(x, abs=4), t
    assert len(swaps) == 1 and settled.observations[1].visible and settled.observations[2].visible


def test_what_does_not_cross_is_not_swapped():
    """Two that meet and pass, followed rightly: motion has nothing to correct."""
    tracker = IdentityTracker(HW, settings=IdentitySettings(merge=False))
    for t in range(30):
        given = [seen(pixels(30 + 5.0 * t, 50), 1), seen(pixels(175 - 5.0 * t, 60), 2)]
        assert tracker.update(t, t / 10, given).swapped == ()


def test_a_stranger_after_a_cut_is_not_believed_and_the_object_is():
    tracker = IdentityTracker(HW)
    red, other = pixels(60, 50), pixels(70, 52)
    for t in range(6):
        tracker.update(t, t / 10, [seen(red, 1, picture(red=red))])
    tracker.cut()
    for t in range(6, 12):
        settled = tracker.update(t, t / 10, [seen(other, 1, picture(blue=other))])
        assert settled.observations == {} and settled.doubted == {1}
        assert settled.states == {1: TrackState.OUT_OF_VIEW}
    back = pixels(140, 80)
    first, second = (tracker.update(t, t / 10, [seen(back, 1, picture(red=back))]) for t in (12, 13))
    assert first.observations == {}
    assert second.observations[1].visible and second.states == {1: TrackState.ACTIVE}


def test_an_object_the_engine_forgot_is_found_by_its_colours():
    tracker = IdentityTracker(HW)
    for t in range(6):
        mask = pixels(40 + 3 * t, 50)
        tracker.update(t, t / 10, [seen(mask, 1, picture(red=mask))])
    asked: list[int] = []

    def step(t: int, there: np.ndarray, colour: str):
        image = picture(**{colour: there})

        def answers(boxes):
            asked.append(len(boxes))
            out = []
            for x0, y0, x1, y1 in boxes:
                inside = there[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1].any()
                out.append(seen(there, None, image) if inside else None)
            return out

        return tracker.update(t, t / 10, [], glance=Glance(image, answers))

    far = pixels(150, 90)
    for t in range(6, 9):  # another thing, elsewhere: it is not the object
        assert not step(t, far, "blue").observations[1].visible
    first, second = step(9, far, "red"), step(10, far, "red")
    assert not first.observations[1].visible  # so far from where it must be, one look is not enough
    assert second.observations[1].visible and second.corrected[1].area == far.sum()
    assert max(asked) <= 4


def test_what_left_over_the_border_is_out_of_view_though_it_seemed_to_slow_down():
    tracker = IdentityTracker(HW)
    for t in range(16):
        mask = pixels(130 + 5 * t, 50)
        if mask.any():
            tracker.update(t, t / 10, [seen(mask, 1)])
    gone = [tracker.update(t, t / 10, []) for t in range(17, 25)]
    assert all(s.observations == {} and s.states == {1: TrackState.OUT_OF_VIEW} for s in gone)
    hidden = IdentityTracker(HW)
    for t in range(8):
        hidden.update(t, t / 10, [seen(pixels(60 + 5 * t, 50), 1)])
    assert hidden.update(8, 0.8, []).states == {1: TrackState.OCCLUDED}


def test_a_hidden_object_goes_along_with_the_camera():
    tracker = IdentityTracker(HW)
    for t in range(6):
        tracker.update(t, t / 10, [seen(pixels(60, 50), 1)])
    pan = np.array([[1.0, 0, 7], [0, 1, 0]])
    for t in range(6, 10):
        settled = tracker.update(t, t / 10, [], camera=pan)
    assert centre(settled, 1) == pytest.approx(60 + 4 * 7, abs=2)

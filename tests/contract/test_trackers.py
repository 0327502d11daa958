"""What every tracker keeps to, whoever wrote it: this runs over each that is registered."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.tracking import TRACKERS, Detection, TrackerContext, TrackerKind
from seektrack.types import Mask

HW, FPS, N = (120, 200), 10.0, 24


@pytest.fixture(params=list(TRACKERS))
def kind(request):
    return TRACKERS.named(request.param)


@pytest.fixture
def tracker(kind):
    return kind.make(TrackerContext(HW, FPS))


def box(x, y, w=24, h=30):
    return (float(x), float(y), float(x + w), float(y + h))


def mask(where):
    pixels = np.zeros(HW, dtype=bool)
    pixels[int(where[1]) : int(where[3]), int(where[0]) : int(where[2])] = True
    return Mask.from_array(pixels)


def detection(kind, thing, where, *, score=0.9):
    """With looks of its own where the tracker goes by looks."""
    look = np.eye(4, dtype=np.float32)[thing] if "embedding" in kind.needs else None
    return Detection(where, mask(where), score, embedding=look, label=f"thing {thing}")


def picture(t):
    image = np.random.default_rng(5).integers(60, 190, (*HW, 3), dtype=np.uint8)
    image[40:70, 10 + 3 * t : 34 + 3 * t] = (200, 30, 30)
    return image


def run(kind, tracker, frames, things):
    """Ids by thing and frame; ``things`` gives the place of each on a frame, or None."""
    ids = {}
    for t in frames:
        here = [(k, place(t)) for k, place in enumerate(things) if place(t) is not None]
        image = picture(t) if "image" in kind.needs else None
        settled = tracker.update(t, t / FPS, [detection(kind, k, p) for k, p in here], image=image)
        assert len(settled.candidate_ids) == len(here)
        given = [i for i in settled.candidate_ids if i >= 0]
        assert len(set(given)) == len(given), "an id on two detections of a frame"
        for (k, place), obj_id in zip(here, settled.candidate_ids, strict=True):
            if obj_id >= 0:
                seen = settled.observations[obj_id]
                assert seen.visible and seen.box == place and seen.frame_index == t
                assert seen.mask == mask(place)
                ids.setdefault(k, {})[t] = obj_id
        visible = {i for i, o in settled.observations.items() if o.visible}
        assert visible == set(given), "something is seen that was not detected"
    return ids


def apart(t):
    return box(10 + 3 * t, 40)


def lower(t):
    return box(160 - 4 * t, 85)


@pytest.mark.parametrize("frames", [range(N), range(N - 1, -1, -1)], ids=["forwards", "backwards"])
def test_two_things_keep_their_identities_in_either_direction(kind, tracker, frames):
    ids = run(kind, tracker, frames, [apart, lower])
    assert all(len(ids[k]) >= N - 1 for k in (0, 1)), "an id is there from the second sight on"
    assert all(len(set(ids[k].values())) == 1 for k in (0, 1))
    assert set(ids[0].values()) != set(ids[1].values())


def test_a_thing_that_is_missed_for_some_frames_stays_itself(kind, tracker):
    def blinks(t):
        return None if 10 <= t < 13 else box(20 + t, 40)

    ids = run(kind, tracker, range(N), [blinks])
    assert len(set(ids[0].values())) == 1


def test_a_newcomer_gets_an_id_of_its_own(kind, tracker):
    ids = run(kind, tracker, range(N), [apart, lambda t: lower(t) if t >= 8 else None])
    assert not set(ids[0].values()) & set(ids[1].values())
    assert min(ids[1]) in (8, 9)


def test_reset_begins_anew(kind, tracker):
    first = run(kind, tracker, range(N), [apart, lower])
    tracker.reset()
    assert run(kind, tracker, range(N), [apart, lower]) == first


def test_frames_without_anything_and_frames_left_out(kind, tracker):
    assert tracker.update(0, 0.0, []).candidate_ids == ()
    ids = run(kind, tracker, range(1, N, 2), [lambda t: box(20 + t, 40)])
    assert len(set(ids[0].values())) == 1


def test_five_hundred_things_on_a_frame(kind, tracker):
    things = [box(8 * (k % 25), 6 * (k // 25), 7, 5) for k in range(500)]
    for t in range(3):
        given = [Detection(b, None, 0.9) for b in things]
        image = picture(t) if "image" in kind.needs else None
        settled = tracker.update(t, t / FPS, given, image=image)
    assert len(set(settled.candidate_ids)) == 500


def test_the_tracker_of_the_guide_keeps_to_it():
    """The example that is shown is run, by the same rules."""
    page = (Path(__file__).parents[2] / "docs/guide/detections.md").read_text(encoding="utf-8")
    (body,) = (b for b in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S) if "class Nearest" in b)
    held: dict[str, object] = {}
    exec(body, held)
    kind = held["NEAREST"]
    assert isinstance(kind, TrackerKind)
    for frames in (range(N), range(N - 1, -1, -1)):
        ids = run(kind, kind.make(TrackerContext(HW, FPS)), frames, [apart, lower])
        assert [len(set(ids[k].values())) for k in (0, 1)] == [1, 1]
    tracker = kind.make(TrackerContext(HW, FPS))
    first = run(kind, tracker, range(N), [apart, lower])
    tracker.reset()
    assert run(kind, tracker, range(N), [apart, lower]) == first


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="unknown tracker 'bytetrak'") as caught:
        TRACKERS.named("bytetrak")
    assert "'bytetrack'" in caught.value.hint and "ocsort" in caught.value.hint


@pytest.mark.parametrize("name", ["sort", "bytetrack", "ocsort", "botsort"])
def test_without_its_package_a_tracker_says_which_one(name, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(InputError, match="needs the package trackers") as caught:
        TRACKERS.named(name).make(TrackerContext(HW, FPS))
    assert "pip install" in caught.value.hint and "\n" not in caught.value.message


def test_a_stranger_adds_a_tracker_by_an_entry_point(monkeypatch):
    from seektrack.registry import Registry
    from seektrack.tracking.trackers import GROUP

    mine = TrackerKind("mine", "a stranger's", lambda context: None)

    class Point:
        name = "mine"

        @staticmethod
        def load():
            return mine

    monkeypatch.setattr(
        "seektrack.registry.metadata.entry_points", lambda group: [Point] if group == GROUP else []
    )
    own = [TRACKERS[name] for name in ("seektrack", "sort")]
    found = Registry(TrackerKind, GROUP, own, what="tracker")
    assert found.named("mine") is mine and list(found) == ["seektrack", "sort", "mine"]

"""Following from a corrected frame, with an engine that answers what the test says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from seektrack.tracking import FollowSettings
from seektrack.tracking.mended import Earlier
from seektrack.tracking.repair import Repair
from seektrack.types import Mask, Observation
from seektrack.video import open_video

HW, FRAMES, START = (64, 96), 14, 5


def block(t: int, *, width: int = 24, y: int = 20) -> Mask:
    pixels = np.zeros(HW, dtype=bool)
    pixels[y : y + 20, 10 + t : 10 + t + width] = True
    return Mask.from_array(pixels)


def seen(t: int, mask: Mask) -> Observation:
    assert mask.box is not None
    return Observation(t, t / 30, mask.box, mask, 0.9)


@dataclass
class Answer:
    obj_ids: list[int]
    pixels: np.ndarray
    object_scores = (0.9,)
    pointers = np.ones((1, 4), np.float32)

    def masks(self) -> np.ndarray:
        return self.pixels


@dataclass
class Scripted:
    """An engine whose one session shows on each frame the mask that is written down, and tells its calls."""

    answers: dict[int, Mask]
    calls: list[tuple[str, int]] = field(default_factory=list)
    obj_ids: list[int] = field(default_factory=list)

    def encode(self, image):
        return image

    def session(self):
        return self

    def add(self, prompt):
        self.calls.append(("add", prompt.frame_index))
        self.obj_ids = [1]

    def remove(self, obj_id):
        self.obj_ids = []

    def leave_out(self, obj_id):
        pass

    def condition(self, features, frame_index):
        self.calls.append(("condition", frame_index))

    def step(self, features, frame_index):
        self.calls.append(("step", frame_index))
        return Answer(list(self.obj_ids), self.answers[frame_index].to_array()[None])


@pytest.fixture(scope="module")
def source():
    ground = np.random.default_rng(1).integers(100, 120, (*HW, 3), dtype=np.uint8)
    pictures = [ground.copy() for _ in range(FRAMES)]
    for t, picture in enumerate(pictures):
        picture[block(t).to_array()] = (40, 60, 210)
    with open_video(pictures) as opened:
        yield opened


def forward(source, engine, known) -> Repair:
    repair = Repair(engine, source, START, {1: known}, others={}, direction=1, settings=FollowSettings())
    list(repair)
    return repair


def track() -> dict[int, Observation]:
    return {t: seen(t, block(t)) for t in range(FRAMES)}


def test_a_piece_of_the_object_does_not_take_the_place_of_the_whole(source):
    pieces = {t: block(t, width=5) for t in range(FRAMES)} | {START: block(START)}
    sure = {0: block(0), START: block(START)}
    earlier = track() | {START: seen(START, block(START, y=44))}
    repair = forward(source, Scripted(pieces), Earlier(sure, earlier, earlier[START].mask))
    assert repair.mended[1].frames == []


def test_single_frames_on_which_the_earlier_track_is_right_stay(source):
    answers = {t: block(t) for t in range(FRAMES)} | {t: block(t, width=3) for t in (7, 10)}
    sure = {0: block(0), START: block(START)}
    missed = {t: o for t, o in track().items() if t not in (6, 8)}
    earlier = missed | {START: seen(START, block(START, y=44))}
    repair = forward(source, Scripted(answers), Earlier(sure, earlier, earlier[START].mask))
    assert [repair.mended[1].observations[t].mask for t in (6, 7, 8)] == [block(t) for t in (6, 7, 8)]


def test_the_whole_object_takes_the_place_of_a_piece(source):
    pieces = {t: seen(t, block(t, width=4)) for t in range(START, FRAMES)}
    sure = {0: block(0), START: block(START)}
    engine = Scripted({t: block(t) for t in range(FRAMES)})
    repair = forward(source, engine, Earlier(sure, track() | pieces, pieces[START].mask))
    assert repair.mended[1].frames == list(range(START + 1, FRAMES))
    assert all(repair.mended[1].observations[t].mask == block(t) for t in range(START + 1, FRAMES))


@pytest.mark.parametrize("arrives", [True, False])
def test_what_looks_like_something_else_is_not_joined_to_the_earlier_track(source, arrives):
    """A click that caught a piece of the ground, and is followed there, harms nothing on the way."""
    ground = {t: block(t, y=44) for t in range(FRAMES)}
    sure = {0: block(0), START: block(START, width=4, y=44)} | (
        {FRAMES - 1: block(FRAMES - 1)} if arrives else {}
    )
    repair = forward(source, Scripted(ground), Earlier(sure, track(), block(START)))
    kept = repair.mended[1].observations
    assert all(kept[t].mask == block(t) for t in kept)


@pytest.mark.parametrize(("width", "for_good"), [(24, True), (4, False)])
def test_a_sliver_is_remembered_as_followed_frames_are(source, width, for_good):
    """A prompt on a frame the session has come to corrects its answer; else it conditions for good."""
    sure = {0: block(0), START: block(START, width=width)}
    engine = Scripted({t: block(t) for t in range(FRAMES)})
    forward(source, engine, Earlier(sure, {}))
    assert engine.calls[:2] == [("add", 0), ("condition", 0)]
    came_to = engine.calls.index(("step", START)) < engine.calls.index(("add", START))
    assert came_to != for_good


@pytest.mark.parametrize("elsewhere", [False, True])
def test_where_nothing_else_is_sure_whole_masks_beside_it_are_shown(source, elsewhere):
    wrong = block(START, y=44) if elsewhere else block(START, width=20)
    engine = Scripted({t: block(t) for t in range(FRAMES)})
    forward(source, engine, Earlier({START: block(START)}, track(), wrong))
    shown = {f for what, f in engine.calls if what == "condition"}
    assert shown == (set() if elsewhere else {START - 3, START + 3})


def test_what_runs_over_onto_its_neighbour_leaves_the_earlier_track(source):
    """An outline put right a little; what is followed from it takes in what is beside the object."""
    spilt = block(START, width=32)
    earlier = track() | {START: seen(START, spilt)}
    sure = {START: block(START)}
    for width, changed in ((44, False), (30, True)):
        answers = Scripted({t: block(t, width=width) for t in range(FRAMES)})
        repair = forward(source, answers, Earlier(sure, earlier, spilt))
        kept = repair.mended[1].observations
        assert any(kept[t].mask != block(t) for t in kept) == changed

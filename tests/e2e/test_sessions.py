"""Corrections that stick, through the public door and with the network that ships."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seektrack import (
    Correction,
    InputError,
    Mask,
    ModelError,
    Observation,
    PromptError,
    Track,
    TrackingSession,
    Tracks,
    VideoError,
    open_session,
    start_session,
)
from seektrack.evaluation.footage import write_scene, write_staged
from seektrack.outputs.native import write_json
from seektrack.pipeline.models import Models
from seektrack.world import SceneSettings, sample_scene
from seektrack.world.staged import stage

FRAMES = 14
WRONG = range(5, 9)
"""Frames on which the first object's track is planted where it is not."""


@pytest.fixture(scope="module")
def models() -> Models:
    torch.set_num_threads(1)
    return Models("pocket", device="cpu")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tracks]:
    """A robot and a car on a street, in sight throughout, and the truth."""
    settings = SceneSettings(
        n_frames=FRAMES, cast=(("robot", "pink"), ("car", "blue")), actors=(0, 0), street_only=True,
        occluders=0, look_alikes=0.0, object_size=(34.0, 40.0), texture=0.0, rough=0.0, speed=(2.0, 3.0),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("film") / "street.mp4"
    return path, write_scene(sample_scene(7305, settings), path)


@pytest.fixture
def faulty(film: tuple[Path, Tracks]) -> Tracks:
    """The truth, but for the first object, which is said to be in a corner for some frames."""
    _, truth = film
    first, *others = truth
    corner = np.zeros(truth.video.hw, dtype=bool)
    corner[:24, :24] = True
    mask = Mask.from_array(corner)
    planted = tuple(
        Observation(o.frame_index, o.time_s, (0.0, 0.0, 24.0, 24.0), mask, 0.9)
        if o.frame_index in WRONG
        else o
        for o in first.observations
    )
    return replace(truth, tracks=(replace(first, observations=planted), *others))


@pytest.fixture
def session(
    film: tuple[Path, Tracks], faulty: Tracks, models: Models, tmp_path: Path
) -> Iterator[TrackingSession]:
    with start_session(film[0], tracks=faulty, path=tmp_path / "film.session", model=models) as opened:
        yield opened


def track_of(tracks: Tracks, obj_id: int) -> Track:
    return next(t for t in tracks if t.obj_id == obj_id)


def middle(mask: Mask | None) -> tuple[float, float]:
    """The point deepest inside a mask."""
    assert mask is not None
    depth = cv2.distanceTransform(np.pad(mask.to_array().astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x) + 0.5, float(y) + 0.5


def mask_at(tracks: Tracks, obj_id: int, frame: int) -> Mask:
    seen = track_of(tracks, obj_id).at(frame)
    assert seen is not None and seen.mask is not None
    return seen.mask


def overlap(tracks: Tracks, truth: Tracks, obj_id: int, frames: range) -> float:
    """Mean IoU of an object over frames; where nothing is told it is 0."""
    track, true = track_of(tracks, obj_id), track_of(truth, obj_id)
    out = []
    for f in frames:
        told, there = track.at(f), true.at(f)
        if there is not None and there.mask is not None:
            out.append(0.0 if told is None or told.mask is None else told.mask.iou(there.mask))
    return float(np.mean(out))


def as_text(tracks: Tracks, folder: Path) -> bytes:
    write_json(tracks, folder / "tracks.json")
    return (folder / "tracks.json").read_bytes()


def test_a_click_puts_the_frame_right_and_those_around_it(session, film):
    truth = film[1]
    click = middle(mask_at(truth, 1, WRONG[1]))
    corrected = session.correct(Correction(WRONG[1], 1, positive=(click,)))
    assert corrected.mask.to_array()[int(click[1]), int(click[0])]
    assert session.pending == (1,)
    told = list(session.propagate())
    assert {f for f, _, _ in told} >= set(WRONG) - {WRONG[1]} and session.pending == ()
    assert overlap(session.tracks, truth, 1, WRONG) > 0.6
    assert mask_at(session.tracks, 1, WRONG[1]).counts == corrected.mask.counts


def test_a_click_on_a_part_is_answered_by_what_the_object_was_elsewhere(models, tmp_path):
    ground = np.random.default_rng(2).integers(90, 130, (24, 24, 3), dtype=np.uint8)
    ground = cv2.resize(ground, (192, 192), interpolation=cv2.INTER_CUBIC)
    masks, pictures = [], []
    for t in range(6):
        picture, pixels = ground.copy(), np.zeros((192, 192), dtype=bool)
        pixels[70:110, 40 + 4 * t : 96 + 4 * t] = True
        picture[pixels] = (200, 40, 40)
        picture[70:110, 68 + 4 * t : 96 + 4 * t] = (40, 60, 210)
        pictures.append(picture)
        masks.append(Mask.from_array(pixels))
    click = Correction(5, 1, positive=((68.0, 90.0),))  # on its red half

    def answered(sure: bool) -> float:
        with start_session(pictures, model=models) as session:
            session.correct(Correction(0, mask=masks[0], label="a box"))
            if not sure:
                click_alone = replace(click, obj_id=None)
                return session.correct(click_alone).mask.iou(masks[5])
            return session.correct(click).mask.iou(masks[5])

    assert answered(sure=True) > max(0.8, answered(sure=False) + 0.2)


def test_no_other_object_is_touched_and_undo_brings_back_the_bytes(session, film, tmp_path):
    before = session.tracks
    text = as_text(before, tmp_path)
    click = middle(mask_at(film[1], 1, WRONG[0]))
    session.correct(Correction(WRONG[0], 1, positive=(click,)))
    list(session.propagate())
    after = session.tracks
    assert track_of(after, 2) == track_of(before, 2) and track_of(after, 1) != track_of(before, 1)
    changed = as_text(after, tmp_path)
    session.undo()
    assert as_text(session.tracks, tmp_path) == text
    session.redo()
    assert as_text(session.tracks, tmp_path) == changed and session.pending == ()


def test_the_file_holds_all_of_it(session, film, models, tmp_path):
    session.correct(Correction(WRONG[0], 1, positive=(middle(mask_at(film[1], 1, WRONG[0])),)))
    list(session.propagate())
    session.rename(2, "a blue car, parked")
    text = as_text(session.tracks, tmp_path)
    session.close()
    with open_session(tmp_path / "film.session", model=models) as again:
        assert as_text(again.tracks, tmp_path) == text
        assert [e.kind for e in again.edits] == ["correct", "rename"]
        again.undo()
        assert track_of(again.tracks, 2).label == track_of(film[1], 2).label


def test_a_corrected_frame_is_never_written_over(session, film):
    truth = film[1]
    given = mask_at(truth, 1, 3)
    session.correct(Correction(3, 1, mask=given))
    click = middle(mask_at(truth, 1, WRONG[0]))
    session.correct(Correction(WRONG[0], 1, positive=(click,)))
    list(session.propagate())
    assert mask_at(session.tracks, 1, 3).counts == given.counts


def test_an_object_that_was_missed_is_added_and_followed_both_ways(film, models):
    path, truth = film
    with start_session(path, model=models) as session:
        click = middle(mask_at(truth, 2, 6))
        added = session.correct(Correction(6, positive=(click,), label="a car"))
        list(session.propagate())
        (track,) = session.tracks
        assert (track.obj_id, track.label) == (added.obj_id, "a car")
        assert track.observations[0].frame_index < 6 < track.observations[-1].frame_index
        moved = replace(truth, tracks=(replace(track_of(truth, 2), obj_id=added.obj_id),))
        assert overlap(session.tracks, moved, added.obj_id, range(FRAMES)) > 0.6


def test_a_negative_click_takes_its_pixel_out(session, film):
    mask = mask_at(film[1], 2, 4)
    pixels = mask.to_array()
    y, x = np.argwhere(pixels)[0]
    corrected = session.correct(Correction(4, 2, negative=((float(x) + 0.5, float(y) + 0.5),)))
    assert not corrected.mask.to_array()[y, x] and corrected.mask.iou(mask) > 0.7


def test_objects_are_merged_split_and_deleted(session):
    before = session.tracks
    part = session.split(2, 7)
    assert track_of(session.tracks, part).observations[0].frame_index == 7
    session.merge(part, 2)
    assert session.tracks == before
    session.delete(1)
    assert [t.obj_id for t in session.tracks] == [2]
    for _ in range(3):
        session.undo()
    assert session.tracks == before


def test_a_closed_generator_leaves_the_session_as_it_was(session, film):
    session.correct(Correction(WRONG[0], 1, positive=(middle(mask_at(film[1], 1, WRONG[0])),)))
    before = session.tracks
    following = session.propagate()
    next(following)
    following.close()
    assert session.tracks == before and session.pending == (1,)


def test_a_swap_at_a_crossing_is_put_right_by_a_click_each_and_kept(models, tmp_path):
    clip = stage("look-alikes", 101, n_frames=48)
    path = tmp_path / "crossing.mp4"
    truth = write_staged(clip, path)
    one, other = (t for t in truth if t.label == clip.label)
    span = range(30, 48)

    def swapped(track: Track, with_: Track) -> Track:
        here = (o for o in track.observations if o.frame_index < span[0])
        there = (o for o in with_.observations if o.frame_index >= span[0])
        return replace(track, observations=(*here, *there))

    wrong = replace(truth, tracks=(swapped(one, other), swapped(other, one)))
    with start_session(path, tracks=wrong, model=models) as session:
        for track in (one, other):
            click = middle(mask_at(truth, track.obj_id, 33))
            session.correct(Correction(33, track.obj_id, positive=(click,)))
        list(session.propagate())
        after = session.tracks
    for track in (one, other):
        i = track.obj_id
        assert overlap(wrong, truth, i, span) < 0.1 and overlap(after, truth, i, span) > 0.9
        assert overlap(after, truth, i, range(40, 48)) > 0.95
        kept = [o for o in track_of(after, i).observations if o.frame_index < span[0] - 4]
        assert kept == [o for o in track.observations if o.frame_index < span[0] - 4]


@pytest.mark.parametrize(
    ("correction", "error", "said"),
    [
        (Correction(FRAMES, 1, positive=((9.0, 9.0),)), PromptError, f"no frame {FRAMES}"),
        (Correction(2, 9, positive=((9.0, 9.0),)), InputError, "no object 9"),
        (Correction(2, 1, positive=((9.0, 9.0),), negative=((9.2, 9.0),)), PromptError, "9.2,9"),
        (
            Correction(2, 1, positive=((9.0, 9.0),), box=(40.0, 40.0, 60.0, 60.0)),
            PromptError,
            "outside its box",
        ),
        (Correction(2, 1, positive=((9000.0, 9.0),)), PromptError, "outside the 256x256 picture"),
        (Correction(2, 1), PromptError, "empty"),
        (Correction(2, negative=((9.0, 9.0),)), PromptError, "new object"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_harms_nothing(session, correction, error, said):
    before = session.tracks
    with pytest.raises(error, match=said) as caught:
        session.correct(correction)
    assert "\n" not in str(caught.value)
    assert session.tracks == before and session.edits == ()


def test_contradicting_an_earlier_correction_is_told(session):
    session.correct(Correction(2, 1, positive=((60.0, 60.0),)))
    with pytest.raises(PromptError, match="said to be on the object"):
        session.correct(Correction(2, 1, negative=((60.3, 60.0),)))
    with pytest.raises(PromptError, match="was said to be on object 1"):
        session.correct(Correction(2, 2, positive=((60.3, 60.0),)))


def test_another_film_and_another_segmenter_are_refused(session, film, models, tmp_path):
    session.correct(Correction(2, 1, positive=((60.0, 60.0),)))
    session.close()
    file = tmp_path / "film.session"
    held = file.read_bytes()
    other = tmp_path / "other.mp4"
    other.write_bytes(film[0].read_bytes() + b"\0")
    with pytest.raises(VideoError, match="another film"):
        open_session(file, video=other, model=models)
    with pytest.raises(ModelError, match="another segmenter"):
        open_session(file, model=Models("pocket", device="cpu", resolution=128))
    with pytest.raises(InputError, match="no such session"):
        open_session(tmp_path / "none.session")
    with pytest.raises(InputError, match="not a tracking session"):
        open_session(film[0])
    assert file.read_bytes() == held
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(film[0].read_bytes())
    with open_session(file, video=moved, model=models) as again:
        assert json.dumps(again.edits[0].what)

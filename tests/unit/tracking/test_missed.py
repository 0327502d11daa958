"""A text that ends with no track says where it ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seektrack.tracking import FollowSettings
from seektrack.tracking.follow import follow_with
from seektrack.tracking.from_search import boxes_of, frames_of
from seektrack.types import Hit

N = 20
SETTINGS = FollowSettings(ground_every_s=0.5, look_every_s=0.3)


def missed(world, encoder, text="a red box", settings=SETTINGS):
    tracks = follow_with(world, encoder, world.source, text, settings=settings)
    assert len(tracks) == 0
    (why,) = tracks.missed
    assert why.label and why.reason and why.hint
    return why


def test_no_frame_looked_like_it(make_world, make_thing, encoder):
    why = missed(make_world([make_thing("blue", 20, 30, 3, N)]), encoder)
    assert why.stage == "frame" and "no frame looked like" in why.reason


def test_frames_looked_like_it_and_no_proposed_mask_was_it(make_world, make_thing, encoder, monkeypatch):
    world = make_world([make_thing("red", 20, 10, 2, N, w=110, h=90)])
    monkeypatch.setattr(world, "propose", lambda t, settings: [])
    why = missed(world, encoder)
    assert why.stage == "mask" and why.box is not None and why.confidence is not None
    assert why.confidence > 0.8 and "--box" in why.hint and why.time_s is not None


def test_what_was_found_was_lost_at_once(make_world, make_thing, encoder):
    world = make_world([make_thing("red", 20, 30, 3, N)])
    why = missed(world, encoder, settings=replace(SETTINGS, min_sights=N + 5, min_confidence=2.0))
    assert why.stage in ("lost", "doubted") and why.frame_index == 0


def test_what_was_followed_does_not_move_as_asked(make_world, make_thing, encoder):
    why = missed(make_world([make_thing("red", 20, 30, 3, N)]), encoder, "a red box moving left")
    assert why.stage == "motion"


def test_what_is_found_is_not_missed(make_world, make_thing, encoder):
    world = make_world([make_thing("red", 20, 30, 3, N)])
    assert follow_with(world, encoder, world.source, "a red box", settings=SETTINGS).missed == ()


@pytest.mark.parametrize(("distance", "known"), [(0.5, "inside"), (3.0, "outside")])
def test_tracks_say_whether_the_encoder_knows_such_frames(
    distance, known, make_world, make_thing, encoder, monkeypatch
):
    import numpy as np

    def measured(encoder, images):
        return encoder.embed_images(images), np.full(len(images), distance)

    monkeypatch.setattr("seektrack.tracking.sightings.embed_and_measure", measured)
    world = make_world([make_thing("red", 20, 30, 3, N)])
    (track,) = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    assert track.domain == known


def test_beyond_what_the_encoder_knows_the_reason_is_that_and_other_words_are_not_the_way_out(
    make_world, make_thing, encoder, monkeypatch
):
    import numpy as np

    def measured(encoder, images):
        return encoder.embed_images(images), np.full(len(images), 3.0)

    monkeypatch.setattr("seektrack.tracking.sightings.embed_and_measure", measured)
    world = make_world([make_thing("blue", 20, 30, 3, N)])
    tracks = follow_with(world, encoder, world.source, "a red box", settings=SETTINGS)
    (why,) = tracks.missed
    assert (tracks.domain, why.domain, why.stage) == ("outside", "outside", "frame")
    assert "outside what this encoder knows" in why.reason and "no frame looked like" in why.reason
    assert "other words" not in why.hint
    for way in ("--model base", "seektrack models fetch base", "seektrack frame", "--box"):
        assert way in why.hint


def hit(box, frame=6, confidence=0.9):
    return Hit("film", frame, frame / 10, 0.5, confidence, box, "a red box")


def test_what_the_segmenter_does_not_find_is_followed_from_the_box_of_the_search(
    make_world, make_thing, encoder, monkeypatch
):
    world = make_world([make_thing("blue", 20, 70, 3, N), make_thing("red", 20, 30, 3, N)])
    monkeypatch.setattr(world, "propose", lambda t, settings: [])
    ask = {"settings": SETTINGS}
    assert follow_with(world, encoder, world.source, "a red box", seeds=[6], **ask).missed[0].stage == "frame"
    red, blue = ((20 + 3 * 6 - 11, y - 8, 20 + 3 * 6 + 11, y + 8) for y in (30, 70))
    tracks = follow_with(world, encoder, world.source, "a red box", seeds=[3, hit(red)], **ask)
    (track,) = tracks
    assert len(track) == N and track.label == "a red box" and track.score > 0.8 and not tracks.missed
    assert all(abs(o.centre[1] - 30) < 2 for o in track.observations)
    assert "box of the search at 0.6 s was followed" in tracks.notices[-1]
    wrong = follow_with(world, encoder, world.source, "a red box", seeds=[hit(blue)], **ask)
    assert len(wrong) == 0 and wrong.missed[0].stage == "doubted"
    assert "led nowhere" in wrong.notices[-1]


def test_the_surest_box_of_a_frame_is_taken_and_few_in_all():
    hits = [hit((0, 0, 5, 5), 1, 0.6), hit((0, 0, 9, 9), 1, 0.8), hit(None, 2), 3]
    hits += [hit((0, 0, 4, 4), frame, 0.7) for frame in range(4, 9)]
    chosen = boxes_of(hits)
    assert [one.frame_index for one in chosen] == [1, 4, 5] and chosen[0].confidence == 0.8
    assert frames_of(hits) == {1, 2, 3, 4, 5, 6, 7, 8}

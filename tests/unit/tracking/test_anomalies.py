"""Faults planted into tracks are told, by kind, object and time; right tracks are left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from seektrack.cli import main
from seektrack.evaluation.faults import FAULTS, TOLD_AS, plant
from seektrack.outputs import load_tracks, save_tracks
from seektrack.pipeline import track_objects
from seektrack.tracking import Detection, find_anomalies, look_at, tell_on
from seektrack.tracking.anomalies import Onlooker
from seektrack.types import Frame, Mask, Observation, Track, Tracks, VideoInfo
from seektrack.video import VideoWriter

H, W, N, FPS = 120, 160, 48, Fraction(12)
COLOURS = ((210, 40, 40), (40, 70, 220), (240, 220, 60))


def picture_and_masks(t: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A red thing going right, a blue one going left below it, a yellow one going down on the left."""
    ground = np.random.default_rng(3).integers(70, 120, (H // 6, W // 6, 1)).repeat(6, 0).repeat(6, 1)
    image = np.zeros((H, W, 3), np.uint8)
    image[: ground.shape[0], : ground.shape[1]] = ground + np.array([0, 25, 0])
    ys, xs = np.mgrid[:H, :W]
    places = ((40 + 1.9 * t, 34), (140 - 1.9 * t, 62), (20, 30 + 1.4 * t))
    masks = [((xs - x) / (11 - 2 * k)) ** 2 + ((ys - y) / 9) ** 2 < 1 for k, (x, y) in enumerate(places)]
    for mask, colour in zip(masks, COLOURS, strict=True):
        image[mask] = colour
    return image, masks


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [picture_and_masks(t)[0] for t in range(N)]


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    rows: list[list[Observation]] = [[], [], []]
    for t in range(N):
        for k, pixels in enumerate(picture_and_masks(t)[1]):
            mask = Mask.from_array(pixels)
            if mask.box is not None:
                rows[k].append(Observation(t, t / 12, mask.box, mask, 0.9))
    video = VideoInfo("walk.mp4", W, H, FPS)
    return Tracks(video, "", tuple(Track(k + 1, "thing", 0.9, tuple(r)) for k, r in enumerate(rows)),
                  {t: t / 12 for t in range(N)})  # fmt: skip


def frames_of(pictures):
    return (Frame(t, Fraction(t, 12), image) for t, image in enumerate(pictures))


def test_right_tracks_are_not_blamed(tracks, pictures):
    assert find_anomalies(tracks, look_at(frames_of(pictures), tracks)) == ()
    assert find_anomalies(tracks) == ()


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("seed", range(2))
def test_each_planted_fault_is_told(kind, seed, tracks, pictures):
    planted = plant(kind, tracks, pictures, tracks, np.random.default_rng((seed, 5)))
    assert planted is not None
    found = find_anomalies(planted.tracks, look_at(frames_of(planted.pictures), planted.tracks))
    fault = planted.fault
    told = [a for a in found if a.kind in TOLD_AS[kind] and {a.obj_id, a.other} & set(fault.obj_ids)]
    assert told, (fault, found)
    assert min(abs(a.first_frame - fault.first) for a in told) <= 8
    assert told[0].evidence and told[0].severity in ("medium", "high")
    assert len(found) <= 2, found


def test_swaps_and_jumps_are_told_by_the_paths_alone(tracks):
    def shifted(o, by):
        return replace(o, mask=None, box=(o.box[0] + by, o.box[1], o.box[2] + by, o.box[3]))

    one = tracks.tracks[2]
    away = tuple(shifted(o, 90 if 20 <= o.frame_index < 23 else 0) for o in one.observations)
    found = find_anomalies(replace(tracks, tracks=(replace(one, observations=away),)))
    assert [(a.kind, a.first_frame, a.last_frame) for a in found] == [("speed", 20, 22)]
    swapped = plant("swap", tracks, [], tracks, np.random.default_rng(1))
    assert swapped is not None
    assert {a.kind for a in find_anomalies(swapped.tracks)} == {"swap"}


def test_a_proven_swap_is_put_right(tracks, pictures):
    for seed in range(3):
        planted = plant("swap", tracks, pictures, tracks, np.random.default_rng(seed))
        assert planted is not None and planted.tracks != tracks
        done = tell_on(planted.tracks, frames_of(pictures))
        assert done == tracks
        assert [(a.kind, a.repaired) for a in done.anomalies] == [("swap", True)]
        again = tell_on(done, frames_of(pictures))
        assert again == tracks and again.anomalies == done.anomalies
        only_told = tell_on(planted.tracks, frames_of(pictures), repair=False)
        assert only_told == planted.tracks and not only_told.anomalies[0].repaired


def test_a_piece_that_stays_on_the_ground_has_drifted(tracks, pictures):
    walker = tracks.tracks[0]
    ys, xs = np.mgrid[:H, :W]
    piece = Mask.from_array(((xs - 78) / 5) ** 2 + ((ys - 34) / 5) ** 2 < 1)
    assert piece.area < 0.4 * min(o.mask.area for o in walker.observations)
    held = [o if o.frame_index < 24 else replace(o, mask=piece, box=piece.box) for o in walker.observations]
    changed = replace(tracks, tracks=(replace(walker, observations=tuple(held)), *tracks.tracks[1:]))
    found = find_anomalies(changed, look_at(frames_of(pictures), changed))
    assert [(a.kind, a.obj_id) for a in found] == [("drift", 1)] and 24 <= found[0].first_frame < 36


def test_what_drifted_onto_the_ground_is_not_shown_as_the_object(tracks, pictures):
    planted = plant("drift", tracks, pictures, tracks, np.random.default_rng(2))
    assert planted is not None
    done = tell_on(planted.tracks, frames_of(pictures))
    (drift,) = [a for a in done.anomalies if a.kind == "drift"]
    track = next(t for t in done if t.obj_id == drift.obj_id)
    assert drift.repaired and track.observations[-1].frame_index < drift.first_frame
    assert track.state(N - 1) == "lost"


def test_detections_that_stop_are_told_as_a_loss(pictures, tmp_path):
    path = tmp_path / "walk.mp4"
    with VideoWriter(path, width=W, height=H, fps=FPS, crf=12) as writer:
        for image in pictures:
            writer.write(image)
    boxes = {}
    for t in range(N):
        masks = [Mask.from_array(m) for m in picture_and_masks(t)[1]]
        kept = [m.box for k, m in enumerate(masks) if m.box is not None and not (k == 0 and 24 <= t < 40)]
        boxes[t] = [Detection(box, score=0.9) for box in kept]
    found = track_objects(path, detections=boxes, out=tmp_path / "out", formats=("json", "anomalies"))
    lost = [a for a in found.anomalies if a.kind == "lost"]
    assert [a.first_frame for a in lost] == [24]
    lines = (tmp_path / "out" / "anomalies.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["lost"]
    assert load_tracks(tmp_path / "out" / "tracks.json").anomalies == found.anomalies


def test_the_command_tells_and_puts_right(tracks, pictures, tmp_path, capsys):
    path = tmp_path / "walk.mp4"
    with VideoWriter(path, width=W, height=H, fps=FPS, crf=12) as writer:
        for image in pictures:
            writer.write(image)
    planted = plant("swap", tracks, pictures, tracks, np.random.default_rng(0))
    file = save_tracks(planted.tracks, tmp_path / "t.json", "json")
    with pytest.raises(SystemExit) as ended:
        main(["anomalies", str(file), "--video", str(path), "--out", str(tmp_path / "right.json"), "--json"])
    assert not ended.value.code
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["repaired"], told["first_frame"]) == ("swap", True, planted.fault.first)
    assert load_tracks(tmp_path / "right.json") == tracks
    with pytest.raises(SystemExit):  # its video is not here: by paths alone
        main(["anomalies", str(file)])
    assert "paths alone" in capsys.readouterr().err


def test_what_is_kept_of_a_stream_is_bounded(tracks, pictures):
    onlooker = Onlooker()
    for frame in frames_of(pictures):
        onlooker.look(frame, [(t.obj_id, o) for t, o in tracks.at(frame.index)])
        onlooker.looks.forget_before(frame.index - 10)
    looks = onlooker.looks
    assert all(min(held) >= N - 11 for held in looks.sights.values())
    assert sum(map(len, looks.sights.values())) <= 33 and len(looks.steps) <= 11

"""One id for one object across files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from seektrack.cli import app
from seektrack.errors import InputError
from seektrack.outputs import load_tracks, save_tracks
from seektrack.types import Mask, Observation, Track, Tracks
from seektrack.video import VideoWriter, open_video

HW, N = (64, 96), 6
PAINT = {"red": (200, 40, 40), "blue": (40, 60, 200), "green": (40, 170, 60)}


def pixels(cx: float, cy: float, w: int = 22, h: int = 14) -> np.ndarray:
    out = np.zeros(HW, dtype=bool)
    out[round(cy - h / 2) : round(cy + h / 2), round(cx - w / 2) : round(cx + w / 2)] = True
    return out


def filmed(path, *things, label="a box"):
    """A video of rectangles (colour, x, y, frames), and the track of each under ids from 7."""
    video = np.full((N, *HW, 3), 120, np.uint8)
    tracks = []
    for k, (colour, x, y, frames) in enumerate(things):
        seen = []
        for t in frames:
            mask = pixels(x + 2 * t, y)
            video[t][mask] = PAINT[colour]
            held = Mask.from_array(mask)
            seen.append(Observation(t, t / 8, held.box, held, 0.9))
        tracks.append(Track(7 + k, label, 0.9, tuple(seen)))
    with VideoWriter(path, width=HW[1], height=HW[0], fps=8, crf=8) as writer:
        for t, picture in enumerate(video):
            writer.write(picture, t / 8)
    with open_video(path) as source:
        return Tracks(source.info, "", tuple(tracks), {t: t / 8 for t in range(N)})


@pytest.fixture
def two_cameras(tmp_path):
    one = filmed(tmp_path / "one.mp4", ("red", 20, 20, range(N)), ("blue", 60, 40, range(N)))
    two = filmed(tmp_path / "two.mp4", ("blue", 30, 44, range(N)), ("green", 60, 16, range(N)))
    return one, two


def test_the_same_object_has_one_id_in_both_files_and_another_none(two_cameras):
    one, two = two_cameras[0].link(two_cameras[1])
    red, blue = (t.obj_id for t in sorted(one, key=lambda t: t.observations[0].box[0]))
    again, green = (t.obj_id for t in sorted(two, key=lambda t: t.observations[0].box[0]))
    assert again == blue and len({red, blue, green}) == 3
    assert {len(t) for t in (*one, *two)} == {N}


def test_parts_of_one_track_become_one_but_not_two_seen_together(tmp_path):
    parts = filmed(tmp_path / "a.mp4", ("red", 20, 20, range(3)), ("red", 20, 44, range(3, N)))
    (joined,) = parts.link()
    assert [len(t) for t in joined] == [N]
    together = filmed(tmp_path / "b.mp4", ("red", 20, 20, range(N)), ("red", 20, 44, range(N)))
    assert len(together.link()[0]) == 2


def test_other_names_and_missing_videos(two_cameras, tmp_path):
    one, two = two_cameras
    named = replace(two, tracks=tuple(replace(t, label="a car") for t in two))
    ids = [{t.obj_id for t in result} for result in one.link(named)]
    assert not ids[0] & ids[1]
    with pytest.raises(InputError, match="2 results need as many videos"):
        one.link(two, sources=[open_video(tmp_path / "one.mp4")])


def test_from_the_command_line(two_cameras, tmp_path):
    paths = [save_tracks(t, tmp_path / f"{t.video.name}.json", "json") for t in two_cameras]
    asked = ["link", *map(str, paths), "--out", str(tmp_path / "linked"), "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    shared = set(told[0]["tracks"]) & set(told[1]["tracks"])
    assert len(shared) == 1 and len(load_tracks(tmp_path / "linked" / "two.json")) == 2


def test_results_of_one_name_are_told_apart_by_their_folders(two_cameras, tmp_path):
    paths = []
    for folder, tracks in zip(("north", "south"), two_cameras, strict=True):
        (tmp_path / folder).mkdir()
        paths.append(save_tracks(tracks, tmp_path / folder / "tracks.json", "json"))
    asked = ["link", *map(str, paths), "--out", str(tmp_path / "linked"), "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    for folder, tracks in zip(("north", "south"), two_cameras, strict=True):
        assert len(load_tracks(tmp_path / "linked" / folder / "tracks.json")) == len(tracks)
    twice = CliRunner().invoke(app, ["link", str(paths[0]), str(paths[0]), "--out", str(tmp_path / "no")])
    assert isinstance(twice.exception, InputError) and "given twice" in str(twice.exception)

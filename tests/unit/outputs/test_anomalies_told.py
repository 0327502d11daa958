"""What a result tells on itself: kept in JSON, logged a line each, drawn on the picture and the timeline."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from seektrack.errors import InputError
from seektrack.outputs import (
    LOGS,
    OverlayStyle,
    QuerySection,
    ReportPage,
    TrackedVideo,
    events,
    load_tracks,
    save_log,
    save_tracks,
    write_overlay,
    write_report,
)
from seektrack.types import Absence, Anomaly, Frame, Mask, Observation, Track, Tracks, VideoInfo
from seektrack.video import open_video

H, W, FPS = 64, 96, Fraction(10)


def seen(index, x, *, visible=True):
    array = np.zeros((H, W), bool)
    array[20:36, max(x, 0) : x + 14] = True
    mask = Mask.from_array(array)
    return Observation(index, index / 10, mask.box, mask if visible else None, 0.9, visible)


@pytest.fixture
def tracks():
    """One that leaves on the right and comes back; another that hides, and of which no more is said."""
    walks = [seen(i, 60 + 6 * i) for i in range(6)] + [seen(9, 80)]
    one = Track(1, "dog", 0.9, tuple(walks), absences=(Absence(6, 8, "out of view"),))
    two = Track(2, "cat", 0.9, (*(seen(i, 10 + i) for i in range(3)), seen(3, 13, visible=False)))
    swap = Anomaly("swap", 1, 4, 4, 0.4, "high", {"crossed": 1.5}, other=2)
    odd = Anomaly("appearance", 2, 1, 2, 0.1, "low", {"z": 7.0}, repaired=True)
    video = VideoInfo("walk.mp4", W, H, FPS)
    return Tracks(video, "", (one, two), {i: i / 10 for i in range(10)}, anomalies=(odd, swap))


@pytest.mark.parametrize("name", ["json", "json-frames", "coco", "parquet"])
def test_anomalies_come_back_from_files(name, tracks, tmp_path):
    back = load_tracks(save_tracks(tracks, tmp_path / "t", name), name)
    assert back.anomalies == tracks.anomalies
    assert back.anomalies[1].about == "object 1 seems to have changed places with object 2"


def test_an_anomaly_that_cannot_be_is_refused(tracks, tmp_path):
    path = save_tracks(tracks, tmp_path / "tracks.json", "json")
    whole = path.read_text()
    for right, wrong in (
        ('"swap"', '"luck"'),
        ('"severity": "high"', '"severity": 9'),
        ('"other": 2', '"other": "x"'),
    ):
        path.write_text(whole.replace(right, wrong, 1))
        with pytest.raises(InputError, match="anomalies"):
            load_tracks(path)


def test_kept_tracks_keep_their_anomalies_only(tracks):
    assert [a.kind for a in tracks.filter(min_length=5).anomalies] == ["swap"]


def test_the_logs_hold_an_object_a_line(tracks, tmp_path):
    for name, count in (("anomalies", 2), ("events", 6)):
        path = save_log(tracks, tmp_path / LOGS[name].filename, name)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(lines) == count, name
    told = [(e.obj_id, e.frame_index, e.event, e.side) for e in events(tracks)]
    assert told == [
        (1, 0, "appears", None),
        (2, 0, "appears", None),
        (2, 3, "hides", None),
        (2, 4, "ends", None),
        (1, 6, "leaves", "right"),
        (1, 9, "returns", "right"),
    ]
    with pytest.raises(InputError, match="log"):
        save_log(tracks, tmp_path / "x", "gossip")


def test_the_overlay_marks_them(tracks, tmp_path):
    frames = [Frame(i, Fraction(i, 10), np.full((H, W, 3), 90, np.uint8)) for i in range(10)]
    clean = write_overlay(frames, replace(tracks, anomalies=()), tmp_path / "clean.mp4", fps=10)
    marked = write_overlay(frames, tracks, tmp_path / "marked.mp4", fps=10)
    left_out = write_overlay(frames, tracks, tmp_path / "o.mp4", fps=10, style=OverlayStyle(anomalies=False))
    pictures = [[f.image.astype(int) for f in open_video(path)] for path in (clean, marked, left_out)]
    change = [np.abs(a - b).mean() for a, b in zip(pictures[0], pictures[1], strict=True)]
    assert change[0] < 4 < 8 < min(change[1:9]), change
    assert max(np.abs(a - b).mean() for a, b in zip(pictures[0], pictures[2], strict=True)) < 4


def test_the_report_marks_them_on_the_timeline(tracks, tmp_path):
    page = ReportPage("t", queries=(QuerySection("", videos=(TrackedVideo("walk", tracks),)),))
    html = write_report(tmp_path / "r.html", page).read_text()
    assert html.count('class="mark high"') == 2  # on the rows of both
    assert "changed places with object 2" in html and "crossed 1.50" in html

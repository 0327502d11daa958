"""The page of results: what is asked is on it, and it needs nothing beside itself."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack import save_report
from seektrack.cli import main
from seektrack.errors import VideoError
from seektrack.outputs import save_tracks, write_overlay
from seektrack.outputs.figures import figure_tables
from seektrack.pipeline import FollowedVideo
from seektrack.pipeline.pages import video_card
from seektrack.query import read
from seektrack.retrieval import Chain
from seektrack.types import Hit, Mask, Moment, Observation, Track, Tracks, VideoInfo
from seektrack.video import VideoWriter, open_video

H, W, N = 48, 64, 5


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, width=W, height=H, fps=10) as writer:
        for i in range(N):
            writer.write(np.random.default_rng(i).integers(0, 256, (H, W, 3), dtype=np.uint8))
    return path


def found(film, confidence=0.9, at=0.2):
    return Moment(str(film), at, at + 0.1, Hit(str(film), 2, at, 0.3, confidence, (4, 4, 20, 20)), confidence)


def followed(film, label="a red car"):
    mask = np.zeros((H, W), bool)
    mask[10:30, 20:40] = True
    seen = tuple(
        Observation(i, i / 10, (20.0, 10.0, 40.0, 30.0), Mask.from_array(mask), 0.9) for i in range(N)
    )
    info = VideoInfo(str(film), W, H, Fraction(10))
    return Tracks(info, label, (Track(3, label, 0.9, seen),), {i: i / 10 for i in range(N)})


def text_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    linked = re.findall(r"(?:src|href)=\"(?!data:|#)([^\"]+)", text)
    assert [link for link in linked if not (path.parent / link).exists()] == []
    assert "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text
    return text


def test_the_page_of_a_search_shows_how_the_question_was_read_and_each_step(tmp_path, film):
    chain = Chain.of((found(film), found(film, at=0.4)), 0.8)
    path = save_report(
        tmp_path / "page.html",
        query=read("two red cars moving left -night"),
        moments=[chain, found(film, 0.4).key],
        notices=["motion is left aside"],
    )
    text = text_of(path)
    assert text.count("data:image/jpeg") == 3
    assert "must not show: night" in text
    assert "Motion is left aside." in text
    assert text.count("film.mp4") >= 3


def test_a_moment_whose_video_is_gone_is_shown_without_a_picture(tmp_path, film):
    gone = []
    path = save_report(
        tmp_path / "page.html",
        moments=[found(tmp_path / "no.mp4"), found(film)],
        on_error=lambda video, error: gone.append(video),
    )
    assert text_of(path).count("its video is gone") == 1
    assert gone == [str(tmp_path / "no.mp4")]
    with pytest.raises(VideoError):
        save_report(tmp_path / "page.html", moments=[found(tmp_path / "no.mp4")])


def test_what_an_earlier_run_followed_is_read_from_its_files(tmp_path, film):
    tracks = followed(film)
    with open_video(film) as source:
        overlay = write_overlay(source, tracks, tmp_path / "overlay.mp4")
    files = {"overlay": overlay, "json": save_tracks(tracks, tmp_path / "tracks.json", "json")}
    before = FollowedVideo(str(film), "a red car", files=files, unchanged=True)
    failed = FollowedVideo("gone.mp4", error=VideoError("no such video"))
    text = text_of(save_report(tmp_path / "page.html", query="a red car", tracks=[before, failed]))
    assert "a red car 3" in text
    assert text.count("data:video/mp4") == 1
    assert 'href="tracks.json"' in text
    linked = text_of(save_report(tmp_path / "page.html", tracks=[before], embed_bytes=10))
    assert 'src="overlay.mp4"' in linked


def test_a_video_that_a_browser_cannot_play_is_linked_among_the_files(tmp_path, film):
    (tmp_path / "overlay.mov").write_bytes(b"x")
    text = text_of(
        save_report(
            tmp_path / "page.html",
            tracks=[
                FollowedVideo(str(film), files={"overlay": tmp_path / "overlay.mov"}, tracks=followed(film))
            ],
        )
    )
    assert 'href="overlay.mov"' in text
    assert "<video" not in text


def test_what_is_blurred_in_the_video_is_blurred_behind_the_paths(film):
    tracks = followed(film)
    plain = video_card(tracks, {}).backdrop
    for render, where in (
        ("blur", (slice(12, 28), slice(22, 38))),
        ("blur-others", (slice(0, 8), slice(0, 60))),
    ):
        drawn = video_card(tracks, {}, render=render).backdrop
        assert drawn[where].std() < 0.5 * plain[where].std()


def test_tracks_of_a_stream_are_shown_on_plain_ground(tmp_path):
    text = text_of(save_report(tmp_path / "page.html", tracks=followed("rtsp:/nowhere")))
    assert "Paths of 1 objects" in text
    assert "data:image" not in text


def test_nested_figures_become_tables():
    tables = figure_tables(
        {
            "idf1": 0.5,
            "tracks": 4,
            "films": {"one": {"j": 0.1, "f": 0.2}, "two": {"j": 0.3, "f": float("nan")}},
            "real/": [{"layout": "names", "figures": {"named": 0.7, "note": "n/a", "bins": [1, 2.0]}}],
        },
        title="Figures",
    )
    told = {t.title: {f.name: (f.text, f.percent) for f in t.figures} for t in tables}
    assert told["Figures"] == {"idf1": ("0.500", 50.0), "tracks": ("4", None)}
    assert told["Figures · films"]["two · f"] == ("n/a", None)
    assert told["Figures · films"]["one · j"] == ("0.100", 10.0)
    assert told["Figures · real/ · names · figures"] == {
        "named": ("0.700", 70.0), "note": ("n/a", None), "bins": ("1 2.000", None),
    }  # fmt: skip


def test_eval_writes_its_figures_as_a_page(tmp_path, film, capsys):
    truth = save_tracks(followed(film), tmp_path / "truth.json", "json")
    page = tmp_path / "page.html"
    with pytest.raises(SystemExit) as ended:
        main(["eval", "tracks", str(truth), str(truth), "--report", str(page)])
    assert not ended.value.code
    assert "written" in capsys.readouterr().err
    text = text_of(page)
    assert "idf1" in text and "1.000" in text and "truth.json against truth.json" in text
    with pytest.raises(SystemExit) as ended:
        main(["eval", "tracks", str(truth), str(truth), "--report", str(tmp_path)])
    assert ended.value.code == 7

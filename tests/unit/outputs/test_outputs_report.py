from __future__ import annotations

import base64
import math
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest

from seektrack.errors import InputError, OutputError
from seektrack.outputs import (
    Figure,
    FigureTable,
    MomentCard,
    QuerySection,
    ReportPage,
    TrackedVideo,
    hex_colour,
    mean_speed,
    write_report,
)
from seektrack.outputs.charts import clock, duration, timeline, trajectories
from seektrack.types import Mask, Observation, Track, Tracks, VideoInfo

H, W = 40, 60
VOID = {"meta", "img", "br", "link", "input", "hr"}
SVG_VOID = {"path", "circle", "rect", "image"}


class Page(HTMLParser):
    """Collects elements, and fails when tags do not nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in SVG_VOID, tag
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, tag, css=None):
        found = [a for t, a in self.elements if t == tag]
        return [a for a in found if css is None or css in a.get("class", "").split()]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def observation(index, x, *, visible=True):
    mask = np.zeros((H, W), bool)
    mask[10:20, x : x + 10] = True
    found = Mask.from_array(mask) if visible else None
    return Observation(index, index / 10, (float(x), 10.0, x + 10.0, 20.0), found, 0.9, visible)


@pytest.fixture
def tracks():
    """Ten frames a second. Object 2 is seen on 0–3, hidden on 4–5, gone on 6, seen on 7–9."""
    states = {0: True, 1: True, 2: True, 3: True, 4: False, 5: False, 7: True, 8: True, 9: True}
    observations = tuple(observation(i, 2 * i, visible=v) for i, v in states.items())
    still = Track(5, "<b>bold</b>", 0.5, (observation(3, 30),))
    video = VideoInfo("v.mp4", W, H, Fraction(10))
    return Tracks(
        video, "a dog", (Track(2, "dog", 0.875, observations), still), {i: i / 10 for i in range(10)}
    )


def moment(confidence=0.9):
    return MomentCard("clip one.mp4", 61.0, 63.5, confidence, np.full((H, W, 3), 99, np.uint8), 62.0)


def tracked_page(tracks, query="d"):
    return ReportPage("t", queries=(QuerySection(query, videos=(TrackedVideo("v", tracks),)),))


def render(tmp_path, page, **options):
    path = write_report(tmp_path / "out" / "report.html", page, **options)
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_it_is_given(tmp_path, tracks):
    query = QuerySection("<script>alert(1)</script>", (moment(),), (TrackedVideo("v & w", tracks),))
    page = render(tmp_path, ReportPage("A <title>", queries=(query,)))
    for tag, attributes in page.elements:
        assert (
            tag not in ("link", "iframe", "b")
            or attributes.get("class")
            or "style" in attributes
            or tag == "b"
        )
        for name in ("src", "href", "poster"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:image/jpeg;base64,", "data:video/mp4;base64,", "#")), value
    assert len(page.all("script")) == 1
    assert "<script>alert(1)</script>" in page.words
    assert "<b>bold</b> 5" in page.words
    style = (tmp_path / "out" / "report.html").read_text().split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_moments_show_their_picture_time_and_confidence(tmp_path):
    query = QuerySection("dogs", (moment(0.91), moment(0.5), moment(0.1)))
    page = render(tmp_path, ReportPage("t", queries=(query,)))
    assert len(page.all("li", "moment")) == 3
    assert [a["class"].split()[1] for a in page.all("span", "sure")] == ["high", "medium", "low"]
    assert "1:01.0 – 1:03.5" in page.words
    assert "91%" in page.words
    assert "3 moments" in page.words
    (picture,) = {a["src"] for a in page.all("img")}
    jpeg = np.frombuffer(base64.b64decode(picture.partition(",")[2]), np.uint8)
    import cv2

    assert cv2.imdecode(jpeg, cv2.IMREAD_COLOR).shape == (H, W, 3)
    assert page.all("img")[0]["alt"] == "clip one.mp4 at 1:02.0"
    assert "Nothing matches" not in page.words


def test_a_query_without_an_answer_says_so(tmp_path):
    nothing = QuerySection("a giraffe")
    page = render(tmp_path, ReportPage("t", queries=(nothing,)))
    assert "Nothing matches." in page.words
    assert not page.all("a", "chip")  # one question needs no way to it
    page = render(tmp_path, ReportPage("t", queries=(nothing, QuerySection("dogs", (moment(),)))))
    assert len(page.all("a", "none")) == 1


def test_small_videos_go_inside_and_large_ones_are_linked_beside_the_page(tmp_path, tracks):
    folder = tmp_path / "out"
    folder.mkdir()
    overlay, export = folder / "over lay#1.mp4", folder / "tracks.json"
    overlay.write_bytes(b"a film" * 50)
    export.write_text("{}")
    video = TrackedVideo("v", tracks, overlay, exports={"json": export})
    page = ReportPage("t", queries=(QuerySection("dogs", videos=(video,)),))
    inside = render(tmp_path, page).all("video")[0]["src"]
    assert base64.b64decode(inside.removeprefix("data:video/mp4;base64,")) == overlay.read_bytes()
    linked = render(tmp_path, page, embed_bytes=299)
    assert (folder / unquote(linked.all("video")[0]["src"])).samefile(overlay)
    assert "#" not in linked.all("video")[0]["src"]
    assert [a["href"] for a in linked.all("a") if a["href"] == "tracks.json"]
    overlay.unlink()
    with pytest.raises(InputError, match="does not exist"):
        render(tmp_path, page)


def test_the_timeline_has_a_bar_for_each_stretch(tmp_path, tracks):
    drawn = timeline(tracks)
    assert (drawn.start_s, drawn.end_s) == (0, pytest.approx(1.0))
    dog, still = drawn.rows
    bars = [(round(s.left), round(s.width), s.visible) for s in dog.stretches]
    assert bars == [(0, 40, True), (40, 20, False), (70, 30, True)]
    assert (dog.first_s, dog.last_s, dog.frames_seen, dog.frames_hidden) == (0, 0.9, 7, 2)
    assert dog.speed == pytest.approx(20)
    assert (still.length_s, still.speed) == (0, 0)
    assert [t.text for t in drawn.ticks] == ["0:00.0", "0:00.2", "0:00.4", "0:00.6", "0:00.8", "0:01.0"]

    page = render(
        tmp_path, ReportPage("t", queries=(QuerySection("d", videos=(TrackedVideo("v", tracks),)),))
    )
    assert len(page.all("i", "seen")) == 3
    assert len(page.all("i", "hidden")) == 1
    assert f"--c:{hex_colour(2)}" in [a.get("style") for a in page.all("div", "bars")]
    assert "dog 2 88% 0:00.0 0:00.9 0.9 s 7 + 2 hidden 20 px/s" in page.words


def test_paths_run_from_ring_to_dot_and_are_dashed_while_hidden(tmp_path, tracks):
    dog, still = trajectories(tracks)
    assert (dog.start, dog.end) == ((5, 15), (23, 15))
    assert [p.visible for p in dog.pieces] == [True, False, False, False, True]
    assert dog.pieces[0].d == "M5.0 15.0L7.0 15.0L9.0 15.0L11.0 15.0"
    assert still.pieces == ()
    page = render(
        tmp_path, ReportPage("t", queries=(QuerySection("d", videos=(TrackedVideo("v", tracks),)),))
    )
    (svg,) = page.all("svg", "paths")
    assert svg["viewbox"] == f"0 0 {W} {H}"
    dashes = [
        ("stroke-dasharray" in a)
        for a in page.all("path")
        if a.get("d", "").startswith(("M5.0", "M11", "M13"))
    ]
    assert dashes == [False, True, True]


def test_a_long_path_is_thinned_but_keeps_its_ends():
    observations = tuple(Observation(i, i / 10, (i, i, i + 2.0, i + 2.0), None, 1.0) for i in range(5000))
    long = Tracks(VideoInfo("v", W, H, Fraction(10)), "", (Track(1, "x", 1, observations),), {})
    (path,) = trajectories(long)
    assert path.pieces[0].d.count("L") < 260
    assert path.pieces[0].d.endswith("L5000.0 5000.0")
    assert mean_speed(long.tracks[0]) == pytest.approx(10 * math.sqrt(2))


def test_figures_show_number_and_bar(tmp_path):
    table = FigureTable(
        "Search",
        (
            Figure("mAP", 0.8125),
            Figure("Speed", 15.0, unit="frames/s", full=30, digits=1),
            Figure("Switches", 1234, full=None, digits=0),
            Figure("Recall", math.nan),
        ),
        "on 40 scenes",
    )
    page = render(tmp_path, ReportPage("t", figures=(table,)))
    assert "mAP 0.812 Speed 15.0 frames/s Switches 1,234 Recall n/a" in page.words
    assert "on 40 scenes" in page.words
    assert [a["style"] for a in page.all("i")] == ["width:81.25%", "width:50.0%"]


def test_an_empty_result_still_makes_a_page(tmp_path, tracks):
    empty = replace(tracks, tracks=(), frame_times={})
    page = render(tmp_path, tracked_page(empty, ""))
    assert "Prompted by hand" in page.words
    assert "No object was found to follow here." in page.words


def test_a_report_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(tmp_path / "file" / "report.html", ReportPage("t"))
    bad = replace(moment(), key_frame=np.zeros((H, W), np.uint8))
    with pytest.raises(InputError, match="uint8"):
        render(tmp_path, ReportPage("t", queries=(QuerySection("d", (bad,)),)))


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [
        (0, 0, "0:00"),
        (59.96, 1, "1:00.0"),
        (3725.04, 1, "1:02:05.0"),
        (3599.6, 0, "1:00:00"),
        (-1, 0, "0:00"),
    ],
)
def test_clock(seconds, decimals, text):
    assert clock(seconds, decimals=decimals) == text


def test_duration():
    assert [duration(2.44), duration(75)] == ["2.4 s", "1:15"]

"""What was found, handed to editors and players: checked by OpenTimelineIO and its EDL reader."""

from __future__ import annotations

import csv
import io
import json
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest
from typer.testing import CliRunner

from seektrack import Hit, InputError, Moment, OutputError
from seektrack.outputs.dataframes import to_dataframe
from seektrack.retrieval import (
    Chain,
    moments_to_csv,
    moments_to_json,
    save_edl,
    save_otio,
    save_vtt,
    timecode,
    timed,
    to_edl,
)
from seektrack.retrieval.editor import CODES
from seektrack.retrieval.timecodes import frame_number, frame_of, is_drop_frame

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50),
         Fraction(60000, 1001), Fraction(60)]  # fmt: skip


def film(path, fps, n, code=None):
    with av.open(str(path), "w") as container:
        if code:
            container.metadata["timecode"] = code
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width = stream.height = 64
        for _ in range(n):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return str(path)


def moment(video, start_s, end_s, confidence=0.75):
    return Moment(video, start_s, end_s, Hit(video, 1, start_s, 0.2, confidence), confidence)


@pytest.mark.parametrize("fps", RATES, ids=str)
def test_time_codes_are_those_of_opentimelineio(fps):
    nominal = round(fps)
    around = [m * 60 * nominal + d for m in (1, 2, 9, 10, 11, 59, 60, 61, 600) for d in range(-6, 12)]
    for frame in [0, 1, 17, 1799, 1800, 17981, 17982, 107892, *around]:
        if frame < 0:
            continue
        code = timecode(frame, fps)
        theirs = otio.opentime.RationalTime(frame, float(fps)).to_timecode(float(fps), is_drop_frame(fps))
        assert code == theirs, frame
        assert frame_of(code, fps) == frame


def test_a_day_of_drop_frame_codes_stays_with_the_clock():
    fps = Fraction(30000, 1001)
    for hours in (1, 6, 23):
        drift = frame_number(hours * 3600, fps) - frame_of(f"{hours:02d}:00:00;00", fps)
        assert 0 <= drift <= 2.6 * hours / 24 + 0.5
    assert timecode(frame_of("23:59:59;29", fps) + 1, fps) == "00:00:00;00"
    for wrong in ("00:01:00;00", "00:01:00;01", "00:00:60:00", "00:00:00:30", "x", ""):
        with pytest.raises(InputError):
            frame_of(wrong, fps)


def test_an_edl_is_read_by_the_cmx_reader(tmp_path):
    one = film(tmp_path / "one film.mp4", 25, 100)
    other = film(tmp_path / "other.mp4", 25, 100)
    found = [moment(one, 1.0, 2.0), Chain.of((moment(other, 0.4, 0.8), moment(other, 3.0, 3.6)), 0.5)]
    path = save_edl(found, tmp_path / "cut.edl", title="a red\ncar")
    timeline = otio.adapters.read_from_file(str(path), rate=25)
    assert timeline.name == "a red car"
    clips = list(timeline.find_clips())
    assert [c.name for c in clips] == ["one film.mp4", "other.mp4", "other.mp4"]
    ranges = [(c.source_range.start_time.value, c.source_range.duration.value) for c in clips]
    assert ranges == [(25, 25), (10, 10), (75, 15)]
    assert timeline.duration().value == 50


def test_drop_frame_and_the_films_own_time_code_are_kept(tmp_path):
    path = film(tmp_path / "ntsc.mov", Fraction(30000, 1001), 120, "10:00:00;00")
    found = [moment(path, 1.001, 2.002)]
    (codes,) = timed(found)
    assert (codes["start_frame"], codes["end_frame"]) == (30, 60)
    assert (codes["start_timecode"], codes["end_timecode"]) == ("10:00:01;00", "10:00:02;00")
    text = to_edl(found)
    assert "FCM: DROP FRAME" in text
    gone = moment(str(tmp_path / "gone.mp4"), 0, 1)
    for rows in (csv.DictReader(io.StringIO(moments_to_csv([found[0], gone]))), _table([found[0], gone])):
        told, empty = ([str(row[name]) for name in CODES] for row in rows)
        assert [told[0].removesuffix(".0"), *told[2:]] == ["30", "10:00:01;00", "10:00:02;00"]
        assert set(empty) <= {"", "nan"}
    told, empty = json.loads(moments_to_json([found[0], gone]))["moments"]
    assert (told["end_frame"], told["end_timecode"]) == (60, "10:00:02;00") and "end_frame" not in empty
    assert re.search(r"001  AX +V +C +10:00:01;00 10:00:02;00 01:00:00;00 01:00:01;00", text)


def _table(found: list[Moment]) -> list[dict[str, object]]:
    return to_dataframe(found).to_dict("records")


def test_a_timeline_is_read_by_opentimelineio(tmp_path):
    path = film(tmp_path / "a film.mp4", Fraction(30000, 1001), 90)
    saved = save_otio([moment(path, 0.5, 1.5), moment(path, 0.0, 0.1, 0.5)], tmp_path / "t.otio", title="q")
    timeline = otio.adapters.read_from_file(str(saved))
    first, second = timeline.find_clips()
    assert otio.url_utils.filepath_from_url(first.media_reference.target_url) == path
    assert first.source_range.start_time == otio.opentime.RationalTime(15, 30000 / 1001)
    assert first.source_range.duration.value == 30
    assert first.media_reference.available_range.duration.value == 90
    assert second.metadata["seektrack"]["confidence"] == 0.5


def test_webvtt_has_a_cue_for_each_moment_and_a_file_for_each_video(tmp_path):
    found = [moment("b/film.mp4", 61.5, 3723.25), moment("a/film.mp4", 0, 1), moment("b/film.mp4", 2, 3)]
    files = save_vtt(found, tmp_path / "found.vtt", text="a <b> --> & c")
    assert [f.name for f in files] == ["found-film.vtt", "found-film-2.vtt"]
    lines = files[0].read_text().splitlines()
    assert lines[0] == "WEBVTT"
    assert lines[2:5] == ["00:00:02.000 --> 00:00:03.000", "a &lt;b&gt; --&gt; &amp; c (0.75)", ""]
    assert lines[5] == "00:01:01.500 --> 01:02:03.250"
    with av.open(str(files[0])) as container:
        assert container.format.name == "webvtt"
        assert len([p for p in container.demux() if p.size]) == 2
    (single,) = save_vtt(found[1:2], tmp_path / "one.vtt")
    assert single.name == "one.vtt"


def test_nothing_found_and_a_video_as_target_are_refused(tmp_path):
    with pytest.raises(InputError, match="1 to 999"):
        to_edl([])
    path = film(tmp_path / "film.mp4", 25, 50)
    before = Path(path).read_bytes()
    for save in (save_edl, save_otio, save_vtt):
        with pytest.raises(OutputError, match="being read"):
            save([moment(path, 0, 1)], path)
    assert Path(path).read_bytes() == before


def test_the_command_line_hands_moments_on(tmp_path, monkeypatch):
    from seektrack.cli import app
    from seektrack.pipeline import Library
    from seektrack.pipeline.answer import Answer

    path = film(tmp_path / "=film.mp4", 25, 50)
    monkeypatch.setattr(Library, "search", lambda self, *a, **k: Answer([moment(path, 0.4, 1.2)]))
    monkeypatch.setattr("seektrack.cli.search.check_library", lambda folder: None)
    monkeypatch.setattr(Library, "corrected", lambda self, text: type("Fixed", (), {"text": text})())
    named = {name: tmp_path / f"out.{name}" for name in ("clips", "edl", "otio", "vtt", "csv")}
    options = [str(part) for name, target in named.items() for part in (f"--{name}", target)]
    done = CliRunner().invoke(app, ["search", "a car", "-l", str(tmp_path), "--json", *options])
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert (told["start_frame"], told["end_frame"]) == (10, 30)
    assert (told["start_timecode"], told["end_timecode"]) == ("00:00:00:10", "00:00:01:05")
    assert [f.name for f in named["clips"].iterdir()] == ["001-_film-0.400s.mp4"]
    assert all(target.exists() for target in named.values())


def test_a_video_named_like_a_formula_stays_text():
    from seektrack.retrieval import moments_to_csv

    assert moments_to_csv([moment("=1+1.mp4", 0, 1)]).splitlines()[1].startswith("'=1+1.mp4,")

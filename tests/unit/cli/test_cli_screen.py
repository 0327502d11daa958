from __future__ import annotations

import json
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack import InputError, Mask, Observation, QueryError
from seektrack.cli import telling
from seektrack.cli.common import Screen, clock, plain, quoted, report_error, short_path, table


@pytest.mark.parametrize(
    "seconds, written",
    [
        (0, "0:00.0"),
        (9.96, "0:10.0"),
        (59.99, "1:00.0"),
        (75.25, "1:15.2"),
        (3600, "1:00:00.0"),
        (3725.5, "1:02:05.5"),
    ],
)
def test_clock(seconds: float, written: str):
    assert clock(seconds) == written


def test_results_become_what_json_can_hold():
    mask = Mask.from_array(np.eye(3, dtype=bool))
    value = {
        "seen": [Observation(1, 0.5, (0, 0, 3, 3), mask, float("nan"))],
        Path("a"): (
            np.float32(0.5),
            np.arange(2),
            Fraction(1, 4),
            Path("b"),
            QueryError("empty", hint="type"),
        ),
    }
    back = json.loads(json.dumps(plain(value), allow_nan=False))
    assert Mask.from_coco(back["seen"][0].pop("mask")) == mask
    assert back == {
        "seen": [
            {
                "frame_index": 1,
                "time_s": 0.5,
                "box": [0, 0, 3, 3],
                "score": None,
                "visible": True,
                "amodal": None,
            }
        ],
        "a": [0.5, [0, 1], 0.25, "b", {"code": "bad_query", "message": "empty", "hint": "type"}],
    }


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")


@pytest.mark.usefixtures("terminal")
def test_progress_draws_each_stage_and_an_unknown_total(capsys: pytest.CaptureFixture[str]):
    with Screen().progress() as progress:
        assert progress is not None
        progress(1, 3, "indexing")
        progress(5, 0, "live [a]")
        progress(3, 3, "indexing")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "live [a]" in printed.err


@pytest.mark.usefixtures("terminal")
def test_quiet_and_json_draw_nothing(capsys: pytest.CaptureFixture[str]):
    for screen in (Screen(quiet=True), Screen(as_json=True)):
        with screen.progress() as progress:
            assert progress is None
        screen.note("a remark")
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("piped")
def test_without_a_terminal_each_video_is_one_line(capsys: pytest.CaptureFixture[str]):
    with Screen().progress(each="indexing") as progress:
        assert progress is not None
        for i, name in enumerate(("a.mp4", "[b].mp4")):
            progress(i, 2, "videos")
            for done in range(1, 5):
                progress(done, 4, f"indexing {name}")
        progress(2, 2, "videos")
    out, err = capsys.readouterr()
    told = [line.rpartition(" in ")[0] for line in err.splitlines()]
    assert (out, told) == ("", ["indexing a.mp4: 4", "indexing [b].mp4: 4"])


@pytest.mark.usefixtures("piped")
def test_what_takes_long_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    now = iter(range(0, 1000, 10))  # ten seconds pass between two calls
    monkeypatch.setattr(telling.time, "monotonic", lambda: float(next(now)))
    with Screen().progress() as progress:
        assert progress is not None
        for step in range(1, 8):
            progress(step, 7 if step > 3 else 0, "training")
    assert capsys.readouterr().err.splitlines() == ["training: 3", "training: 6 of 7"]


@pytest.mark.usefixtures("piped")
def test_what_tells_nothing_of_itself_is_said_to_go_on(capsys: pytest.CaptureFixture[str]):
    with telling.still_at_it(Screen().note, "training", every_s=0.05):
        time.sleep(0.13)
    said = capsys.readouterr().err.splitlines()
    assert said == ["training: 0:00 so far"] * len(said) and said
    with Screen(quiet=True).waiting("training"):
        pass


class TestTextIsText:
    """Neither a query nor a file's name is markup, an emoji code, or an order to the terminal."""

    ODD = "[/] [bold]x[/bold] :smile: \x1b[2J\x9b5m\u202egpj.mp4 caf\udce9"
    SHOWN = "[/] [bold]x[/bold] :smile: \\x1b[2J\\x9b5m\\u202egpj.mp4 caf\\xe9"

    def test_notes_results_and_tables(self, capsys: pytest.CaptureFixture[str]):
        screen = Screen()
        shown_in = table("name")
        shown_in.add_row(self.ODD)
        screen.note(self.ODD)
        screen.result(None, lambda console: (console.print(self.ODD), console.print(shown_in)))
        out, err = capsys.readouterr()
        assert err.strip() == self.SHOWN
        assert [line.strip() for line in out.splitlines()] == [self.SHOWN, "name", self.SHOWN]

    @pytest.mark.parametrize("as_json", [False, True])
    def test_errors(self, as_json: bool, capsys: pytest.CaptureFixture[str]):
        report_error(InputError(self.ODD, hint=self.ODD), as_json=as_json)
        err = capsys.readouterr().err
        assert not set("\x1b\x9b\u202e\udce9") & set(err)
        if as_json:
            body = json.loads(err)["error"]
            assert (body["message"], body["hint"]) == (self.ODD, self.ODD)
        else:
            assert err.splitlines() == [f"error: {self.SHOWN}", f"hint: {self.SHOWN}"]

    @pytest.mark.usefixtures("piped")
    def test_a_name_forges_no_line(self, capsys: pytest.CaptureFixture[str]):
        forged = "a.mp4\n3 indexed, 0 failed\tb.mp4"
        with Screen().progress(each="indexing") as progress:
            assert progress is not None
            progress(3, 3, f"indexing {forged}")
        assert len(capsys.readouterr().err.splitlines()) == 1
        assert short_path(f"/films/{forged}") == "/films/a.mp4\\n3 indexed, 0 failed\\tb.mp4"

    @pytest.mark.usefixtures("terminal")
    def test_bars(self, capsys: pytest.CaptureFixture[str]):
        with Screen().progress() as progress:
            assert progress is not None
            progress(1, 3, self.ODD)
        err = capsys.readouterr().err
        assert "caf\\xe9" in err and "\x1b[2Jx" not in err and "\u202e" not in err


@pytest.mark.parametrize(
    "path, written", [("plain.mp4", "plain.mp4"), ("my films/a.mp4", "'my films/a.mp4'"), ("$(x)", "'$(x)'")]
)
def test_hints_name_paths_as_a_shell_takes_them(path: str, written: str):
    assert quoted(Path(path)) == written

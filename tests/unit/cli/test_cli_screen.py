from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from seektrack import Mask, Observation, QueryError
from seektrack.cli.common import Screen, clock, plain


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
        "seen": [{"frame_index": 1, "time_s": 0.5, "box": [0, 0, 3, 3], "score": None, "visible": True}],
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


def test_without_a_terminal_nobody_watches(monkeypatch: pytest.MonkeyPatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with Screen().progress() as progress:
        assert progress is None

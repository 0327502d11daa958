"""A training that brought nothing says so in its report, its card and on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from seektrack.cli.common import Screen
from seektrack.cli.figures import print_figures
from seektrack.training.report import Card, write_report

CARD = Card(kind="text encoder", start="pocket", data="mine", use="seektrack", recipe={})


@pytest.mark.parametrize(("step", "said"), [(0, True), (12, False)])
def test_no_gain_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], step: int, said: bool) -> None:
    figures = {"r1_before": 0.5, "r1": 0.5, "best_step": step}
    report = write_report(tmp_path, CARD, figures, [], figure="rank")
    for text in (report.read_text(), (tmp_path / "README.md").read_text()):
        assert ("Nothing measured better" in text) is said
    print_figures(Screen(), figures)
    assert ("nothing measured better" in capsys.readouterr().err) is said

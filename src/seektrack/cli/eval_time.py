"""``seektrack eval trajectory``: predictors of hidden objects on tracks of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from seektrack.cli.common import AsJson, Quiet, Screen, spare_threads
from seektrack.cli.figures import print_figures
from seektrack.cli.report_options import ReportFile, check_report


def trajectory(
    data: Annotated[
        str,
        typer.Argument(
            help="Tracks: MOT Challenge, KITTI or UA-DETRAC sequences, or results, one or a folder of them."
        ),
    ],
    predictors: Annotated[
        list[str] | None,
        typer.Option(
            "--predictor",
            help="kalman, lstm, transformer or a folder; again for more. All built-in ones when left out.",
        ),
    ] = None,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Say where objects are 1, 5 and 15 frames after they were last seen, and compare with their tracks."""
    check_report(report)
    screen = Screen(quiet=quiet, as_json=as_json)
    spare_threads("pocket")
    from seektrack.evaluation.pocket_trajectory import compare_predictors
    from seektrack.tracking import PREDICTORS
    from seektrack.training.datasets import read_tracks

    found = read_tracks(data)
    for line in found.left_out.lines():
        screen.warn(line)
    with screen.waiting("asking the predictors"):
        figures = compare_predictors(list(found), predictors or PREDICTORS)
    print_figures(screen, figures, report, title="Predictors of hidden objects")

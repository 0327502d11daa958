"""``seektrack eval anomalies``: how well a tracker's faults are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console

from seektrack import defaults
from seektrack.cli.common import AsJson, Device, Model, Quiet, Screen, spare_threads, table


def anomalies(
    conditions: Annotated[
        list[str] | None,
        typer.Option("--condition", help="One of the staged conditions; may be given more than once."),
    ] = None,
    clips: Annotated[int, typer.Option("--clips", min=1, help="Scenes of each condition.")] = 3,
    frames: Annotated[int, typer.Option("--frames", min=48, help="Frames of a scene.")] = 72,
    first: Annotated[int, typer.Option("--first", min=0, help="Number of the first scene.")] = 300,
    ways: Annotated[
        list[str] | None,
        typer.Option(
            "--way",
            help="truth (true tracks), tracker (what the tracker makes of the first masks, where right) "
            "or paths (true tracks without their pictures). May be given more than once; all when left out.",
        ),
    ] = None,
    model: Model = defaults.MODEL,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Plant faults into tracks that are right, see which are told, and how often right tracks are blamed.

    Faults: swap, drift, false detection, teleport, loss, appearance.
    """
    spare_threads(model)
    from seektrack.evaluation.anomalies import WAYS, evaluate_anomalies
    from seektrack.world.staged import CONDITIONS

    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress:
        figures = evaluate_anomalies(
            conditions=conditions or CONDITIONS,
            clips=clips,
            first=first,
            n_frames=frames,
            ways=ways or WAYS,
            model=model,
            device=device,
            progress=progress,
        )
    screen.result(figures, lambda console: _print(console, figures))


def _print(console: Console, figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    shown = table(
        "tracks", "fault", "planted", "recall", "precision", right=("planted", "recall", "precision")
    )
    for way, rows in figures.items():
        for fault, row in rows.items():
            if fault != "clean":
                shown.add_row(
                    way, fault, f"{row['planted']:.0f}", f"{row['recall']:.3f}", f"{row['precision']:.3f}"
                )
    console.print(shown)
    for way, rows in figures.items():
        clean = rows["clean"]
        console.print(f"{way}: {clean['alarms']:.0f} alarms in {clean['scenes']:.0f} scenes without a fault")

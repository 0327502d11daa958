"""``seektrack eval smaller``: what half precision, eight bits and pruning cost, in one table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seektrack import defaults
from seektrack.cli.common import AsJson, Model, Quiet, Screen, spare_threads, table
from seektrack.cli.models_export import frames_of
from seektrack.errors import ModelError


def smaller(
    forms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FORM]...",
            help="fp32 and bf16 by torch; onnx, fp16, int8 and int8-static as graphs; or model folders, such "
            "as pruned ones. All six by default.",
        ),
    ] = None,
    model: Model = defaults.MODEL,
    calibrate: Annotated[
        str | None,
        typer.Option(
            "--calibrate", metavar="VIDEO", help="Frames that set int8-static's ranges; drawn ones else."
        ),
    ] = None,
    crops: Annotated[int, typer.Option("--crops", min=1, help="Crops to name.")] = 400,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames to find by caption.")] = 60,
    scenes: Annotated[int, typer.Option("--scenes", min=1, help="Single frames to segment.")] = 20,
    clips: Annotated[int, typer.Option("--clips", min=1, help="Scenes to follow objects through.")] = 3,
    demo_scenes: Annotated[
        int, typer.Option("--demo-scenes", min=0, help="Scenes for text to tracks; 0 leaves it out.")
    ] = 4,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="FOLDER", help="Where graphs stay, and are taken from.")
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare smaller forms of a model: size, speed, and what each still names, finds, segments and follows.

    All forms see the same held-out drawn scenes; frames are timed in turn. What cannot be made says why, and
    the exit status is then 4.
    """
    spare_threads(model)
    from seektrack.evaluation.smaller import WAYS, SmallerSettings, evaluate_smaller

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = SmallerSettings(
        crops=crops, frames=frames, scenes=scenes, clips=clips, demo_scenes=demo_scenes
    )
    with screen.progress() as progress:
        rows = evaluate_smaller(
            model,
            tuple(forms or WAYS),
            settings=settings,
            pictures=() if calibrate is None else frames_of(calibrate),
            keep=keep,
            progress=progress,
        )

    def human(console: Console) -> None:
        names = ("MB clip", "MB sam2", "ms picture", "ms frame", "named", "R@1", "J", "J&F", "IDF1")
        shown = table("form", *names, right=names)
        for row in rows:
            values = [v for k, v in asdict(row).items() if k not in ("way", "stays", "why")]
            if not row.why:
                shown.add_row(row.way, *("" if v is None else f"{v:.4g}" for v in values))
        console.print(shown)
        for row in rows:
            if row.stays:
                console.print(f"{row.way}: in fp32 stay {', '.join(row.stays)}")
            if row.why:
                console.print(f"{row.way}: {row.why}")

    screen.result({"rows": rows}, human)
    if any(row.why for row in rows):
        raise typer.Exit(ModelError.exit_code)

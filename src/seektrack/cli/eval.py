"""``seektrack eval``: figures, measured again on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from seektrack import defaults
from seektrack.cli import eval_anomalies, eval_real, eval_smaller, eval_texts, eval_time, eval_tracking
from seektrack.cli.common import AsJson, Device, Model, Quiet, Screen, spare_threads, table
from seektrack.cli.figures import figure, print_figures, report_figures
from seektrack.cli.report_options import ReportFile, check_report
from seektrack.errors import InputError

if TYPE_CHECKING:
    pass

app = typer.Typer(help="Measure accuracy on footage with known truth.", no_args_is_help=True)


class Part(StrEnum):
    """Networks that ``eval pocket`` measures."""

    CLIP = "clip"
    SAM2 = "sam2"
    TEMPORAL = "temporal"
    TRAJECTORY = "trajectory"


@app.command()
def demo(
    scenes: Annotated[int, typer.Option("--scenes", min=1, help="Held-out scenes to run.")] = 40,
    model: Model = defaults.MODEL,
    device: Device = None,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run text to tracks on held-out generated scenes and compare with their perfect truth."""
    check_report(report)
    spare_threads(model)
    from seektrack.evaluation.demo import evaluate_demo

    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress:
        figures = evaluate_demo(scenes=scenes, model=model, device=device, progress=progress)
    print_figures(screen, figures, report, title="Text to tracks on drawn scenes")


@app.command()
def pocket(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            help="Folder of one network, or one holding clip/ and sam2/; the package's own when left out.",
        ),
    ] = None,
    only: Annotated[
        Part | None,
        typer.Option(
            "--only",
            help="Measure this network alone; temporal takes --folder, trajectory compares predictors.",
        ),
    ] = None,
    crops: Annotated[int, typer.Option("--crops", min=1, help="Held-out object crops to classify.")] = 1500,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Held-out frames to retrieve.")] = 200,
    scenes: Annotated[int, typer.Option("--scenes", min=1, help="Held-out pictures to segment.")] = 100,
    clips: Annotated[
        int, typer.Option("--clips", min=1, help="Held-out scenes of 48 frames to follow.")
    ] = 12,
    resolution: Annotated[
        int | None,
        typer.Option("--resolution", help="Side of SAM 2's input; its own, and 384, when left out."),
    ] = None,
    through: Annotated[
        str,
        typer.Option(
            "--through",
            help="seektrack, transformers (its own classes on the same folders), or both side by side.",
        ),
    ] = "seektrack",
    remember: Annotated[
        str | None,
        typer.Option(
            "--remember",
            metavar="FRAMES",
            help="Frames SAM 2 remembers an object by: seen, those it was on, as track does; or all, as"
            " transformers does, and the default beside it.",
        ),
    ] = None,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure pocket networks on held-out scenes of the procedural world: crops named, masks followed."""
    check_report(report)
    spare_threads("pocket")
    from seektrack.checkpoints import packaged_folder
    from seektrack.evaluation.pocket_clip import evaluate_clip
    from seektrack.evaluation.pocket_parity import THROUGH
    from seektrack.evaluation.pocket_sam2 import CONDITIONS, Condition, evaluate_sam2
    from seektrack.pipeline import parse_model
    from seektrack.segmentation import check_remember

    if through not in (*THROUGH, "both"):
        raise InputError(f"--through {through}", hint=f"take {', '.join(THROUGH)} or both")
    kept = check_remember(remember or ("seen" if through == "seektrack" else "all"))
    screen = Screen(quiet=quiet, as_json=as_json)
    if only in (Part.TEMPORAL, Part.TRAJECTORY):
        print_figures(screen, _over_time(only, screen, folder), report, title=f"Pocket networks: {only}")
        return
    clip, sam2 = (str(packaged_folder(part)) for part in ("clip", "sam2"))
    if folder is not None:
        clip, sam2 = ("" if name == "pocket" else name for name in parse_model(str(folder)))
    clip, sam2 = ("" if only is Part.SAM2 else clip), ("" if only is Part.CLIP else sam2)
    conditions = CONDITIONS if resolution is None else (Condition(), Condition("rich", None, 0.5))
    figures: dict[str, dict[str, Any]] = {}
    for way in THROUGH if through == "both" else (through,):
        figures[way] = {}
        if clip:
            screen.note("measuring the text encoder; a minute or two …")
            figures[way] |= evaluate_clip(clip, crops=crops, frames=frames, through=way)
        if sam2:
            with screen.progress() as progress:
                figures[way] |= evaluate_sam2(
                    sam2,
                    resolution=resolution,
                    scenes=scenes,
                    clips=clips,
                    conditions=conditions,
                    through=way,
                    remember=kept,
                    progress=progress,
                )
    if through == "both":
        report_figures(screen, figures, report, title="Pocket networks")
        screen.result(figures, lambda console: console.print(_side_by_side(*figures.values())))
    else:
        print_figures(screen, figures[through], report, title="Pocket networks")


def _over_time(part: Part, screen: Screen, folder: Path | None) -> dict[str, float]:
    """Figures of the temporal encoder, or of the predictors of trajectories."""
    if part is Part.TEMPORAL:
        from seektrack.evaluation.pocket_temporal import evaluate_temporal

        with screen.progress() as progress:
            return evaluate_temporal("temporal" if folder is None else folder, progress=progress)
    from seektrack.evaluation.pocket_trajectory import evaluate_trajectory
    from seektrack.tracking import PREDICTORS

    return evaluate_trajectory(PREDICTORS if folder is None else ("kalman", str(folder)))


def _side_by_side(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Table:
    """Figures of the product and of transformers' classes, and how far apart they are."""
    from seektrack.evaluation.pocket_parity import differences

    shown = table("figure", "seektrack", "transformers", "difference", right=("seektrack", "transformers"))
    for name, (mine, other, gap) in differences(ours, theirs).items():
        shown.add_row(name, figure(mine), figure(other), f"{gap:+.4f}" if gap else "0")
    return shown


@app.command()
def domain(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Pictures, films or folders of them to compare with it.")
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Drawn frames of each style.")] = 200,
    model: Model = defaults.MODEL,
    device: Device = None,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Say which pictures a text encoder takes for known: the share inside, and the median distance."""
    check_report(report)
    spare_threads(model)
    from seektrack.evaluation.domain import evaluate_domain
    from seektrack.pipeline import parse_model

    screen = Screen(quiet=quiet, as_json=as_json)
    encoder, _ = parse_model(model)
    with screen.progress() as progress:
        figures = evaluate_domain(
            encoder, frames=frames, folders=folders or (), device=device, progress=progress
        )
    print_figures(screen, figures, report, title="Known pictures")


app.command()(eval_texts.retrieval)
app.command()(eval_texts.clip)
app.command()(eval_time.trajectory)
app.command()(eval_real.real)
app.command()(eval_real.vos)
app.command()(eval_tracking.tracks)
app.command()(eval_anomalies.anomalies)
app.command()(eval_tracking.tracking)
app.command()(eval_smaller.smaller)

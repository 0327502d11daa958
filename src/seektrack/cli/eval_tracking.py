"""``seektrack eval tracks`` and ``eval tracking``: a result against truth, the tracker where it is hard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from seektrack import defaults
from seektrack.cli.common import AsJson, Device, Model, Quiet, Runtime, Screen, spare_threads, table
from seektrack.cli.eval_real import measure
from seektrack.cli.figures import print_figures, report_figures
from seektrack.cli.report_options import ReportFile, check_report
from seektrack.errors import InputError

Markdown = Annotated[
    Path | None, typer.Option("--markdown", help="Also write the table as Markdown to this file.")
]
_SHARES = ("idf1", "hota", "mota", "box_mota", "returned", "uncrossed", "strangers")
_COUNTS = ("switches", "clips")


def tracks(
    truth: Annotated[Path, typer.Argument(help="True tracks, in any format that can be read.")],
    result: Annotated[Path, typer.Argument(help="What a tracker found, of the same video.")],
    truth_format: Annotated[
        str | None, typer.Option("--truth-format", help="Of the truth; recognised when left out.")
    ] = None,
    result_format: Annotated[
        str | None, typer.Option("--result-format", help="Of the result; recognised when left out.")
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="What is compared: box or mask.", metavar="box|mask")
    ] = "box",
    threshold: Annotated[
        float, typer.Option("--threshold", min=0.05, max=0.95, help="IoU from which two match.")
    ] = 0.5,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare a result with the truth: HOTA, MOTA, MOTP, IDF1 and what they are made of."""
    if by not in ("box", "mask"):
        raise InputError(f"--by {by}", hint="compare by box or by mask")
    check_report(report)
    from seektrack.evaluation.tracks import compare_tracks
    from seektrack.outputs import load_tracks

    known = load_tracks(truth, truth_format)
    found = load_tracks(result, result_format)
    figures = compare_tracks(known, found, by="mask" if by == "mask" else "box", threshold=threshold)
    screen = Screen(quiet=quiet, as_json=as_json)
    print_figures(screen, figures, report, title=f"{result.name} against {truth.name}")


def tracking(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Sequences of your own with boxes and identities: folders of MOT Challenge, KITTI tracking "
            "or UA-DETRAC. The world's staged scenes when left out.",
            show_default=False,
        ),
    ] = None,
    conditions: Annotated[
        list[str] | None,
        typer.Option("--condition", help="One of the staged conditions; may be given more than once."),
    ] = None,
    clips: Annotated[int, typer.Option("--clips", min=1, help="Scenes of each condition.")] = 12,
    frames: Annotated[
        int | None,
        typer.Option(
            "--frames", min=2, show_default="96, or all", help="Frames of a scene, or of a sequence."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most sequences of a folder, by name.")
    ] = None,
    first: Annotated[int, typer.Option("--first", min=0, help="Number of the first scene.")] = 0,
    ways: Annotated[
        list[str] | None,
        typer.Option(
            "--way",
            help="text, masks, boxes, or a rival: reference (transformers' own session from the same masks) "
            "or bytetrack (text on every frame). Of sequences: text, boxes, or detections (det/det.txt). May "
            "be given more than once; all when left out.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            help="Keep the scenes, the tracks and their scores here: the same command goes on where it was "
            "stopped. A temporary folder when left out.",
        ),
    ] = None,
    markdown: Markdown = None,
    report: ReportFile = None,
    model: Model = defaults.MODEL,
    device: Device = None,
    runtime: Runtime = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Follow objects through staged scenes of the world, or through sequences of your own.

    The world's conditions: plain, moving-camera, crowded, occluded, returning, fast, look-alikes, cuts; exact
    truth, rivals beside. Sequences are told by condition too: static or moving camera, dense, occluded, fast.
    """
    check_report(report)
    spare_threads(model)
    if folders:
        staged = {"--condition": conditions, "--folder": folder, "--markdown": markdown, "--runtime": runtime}
        if given := [name for name, value in staged.items() if value is not None]:
            raise InputError(f"{given[0]} is for the world's scenes", hint="leave it out, or the folders")
        from seektrack.evaluation.real import RealSettings
        from seektrack.evaluation.real.results import WAYS as FILM_WAYS

        asked = RealSettings(
            model=model, device=device, ways=tuple(ways or FILM_WAYS), limit=limit, frames=frames
        )
        measure(Screen(quiet=quiet, as_json=as_json), folders, asked, ("boxed films",), report)
        return
    if limit is not None:
        raise InputError("--limit is for sequences of your own", hint="--clips says how many scenes")
    from seektrack.evaluation.tracking import WAYS, evaluate_tracking
    from seektrack.world.staged import CONDITIONS

    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress:
        measured = evaluate_tracking(
            conditions=conditions or CONDITIONS,
            clips=clips,
            n_frames=96 if frames is None else frames,
            first=first,
            ways=ways or WAYS,
            model=model,
            device=device,
            runtime=runtime,
            folder=folder,
            progress=progress,
        )
    figures = measured.figures()
    if markdown is not None:
        markdown.write_text(as_markdown(figures), encoding="utf-8")
    report_figures(screen, figures, report, title="Tracking where it is hard")
    screen.result(figures, lambda console: _print(console, figures))


def _columns(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    given = {name for rows in figures.values() for row in rows.values() for name in row}
    return [name for name in (*_SHARES, "switches", "frames_per_s", "clips") if name in given]


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if name in _COUNTS else f"{value:.3f}" if name in _SHARES else f"{value:.2f}"


def _print(console: Console, figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    columns = _columns(figures)
    shown = table("condition", "way", *columns, right=tuple(columns))
    for condition, rows in figures.items():
        for way, row in rows.items():
            shown.add_row(escape(condition), escape(way), *(_shown(c, row.get(c)) for c in columns))
    console.print(shown)


def as_markdown(figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Figures by condition and way as a Markdown table."""
    columns = _columns(figures)
    lines = [f"| condition | way | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for condition, rows in figures.items():
        for way, row in rows.items():
            lines.append(f"| {condition} | {way} | {' | '.join(_shown(c, row.get(c)) for c in columns)} |")
    return "\n".join(lines) + "\n"

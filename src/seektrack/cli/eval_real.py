"""``seektrack eval real`` and ``eval vos``: figures on footage and photographs with truth of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seektrack import defaults
from seektrack.cli.common import AsJson, Device, Model, Quiet, Screen, spare_threads, table
from seektrack.cli.figures import figure, figure_table, report_figures
from seektrack.cli.report_options import ReportFile, check_report

if TYPE_CHECKING:
    from rich.console import Console

    from seektrack.evaluation.real import Measured, RealSettings

Prompts = Annotated[
    str, typer.Option("--prompts", help="What objects are pointed at with, joined by commas.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Most films or pictures of a folder, by name.")
]
Frames = Annotated[int | None, typer.Option("--frames", min=2, help="Most frames of a film.")]


def kinds_of(text: str) -> tuple[str, ...]:
    """What was joined by commas."""
    return tuple(kind.strip() for kind in text.split(",") if kind.strip())


def measure(
    screen: Screen,
    folders: Sequence[Path],
    settings: RealSettings,
    only: Sequence[str],
    report: Path | None,
) -> None:
    """Measure on folders, and print or give out the figures."""
    from dataclasses import replace

    from seektrack.evaluation.real import evaluate_real

    with screen.progress() as progress:
        found = evaluate_real(folders, replace(settings, progress=progress), only=only)
    plain = {folder: [one.as_json() for one in several] for folder, several in found.items()}
    report_figures(screen, plain, report, title="Real footage")
    screen.result(plain, lambda console: _print_real(console, found))


def real(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folders with truth: films as NAME/00000.jpg with the mask NAME/00000.png (or DAVIS and "
            "its kind), sequences of MOT Challenge, KITTI tracking or UA-DETRAC, names.json saying what "
            "films show, photographs as ID.jpg with regions ID.0.png, "
            "mosaics of named tiles as SET/test/CLASS.jpg with counts.json; or folders of such folders."
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="Measure this layout alone: films, 'boxed films', 'named films', names, regions or things; "
            "again for more.",
        ),
    ] = None,
    prompts: Prompts = "mask,box,click",
    limit: Limit = None,
    frames: Frames = None,
    model: Model = defaults.MODEL,
    device: Device = None,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure on real footage and photographs with truth of your own: masks, regions, names."""
    check_report(report)
    spare_threads(model)
    from seektrack.evaluation.real import RealSettings

    settings = RealSettings(model=model, device=device, prompts=kinds_of(prompts), limit=limit, frames=frames)
    measure(Screen(quiet=quiet, as_json=as_json), folders, settings, only or (), report)


def vos(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Films with masks: DAVIS, YouTube-VOS, MOTS, scans with segmentations, or NAME/00000.jpg "
            "with the mask NAME/00000.png; or folders of such folders."
        ),
    ],
    prompts: Prompts = "mask,box,click",
    limit: Limit = None,
    frames: Frames = None,
    model: Model = defaults.MODEL,
    device: Device = None,
    report: ReportFile = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Follow every object of films from its first mask, box or click: J, F, J&F, consistency, drift, loss."""
    check_report(report)
    spare_threads(model)
    from seektrack.evaluation.real import RealSettings

    settings = RealSettings(model=model, device=device, prompts=kinds_of(prompts), limit=limit, frames=frames)
    measure(Screen(quiet=quiet, as_json=as_json), folders, settings, ("films",), report)


def _print_real(console: Console, found: Mapping[str, Sequence[Measured]]) -> None:
    """Each folder's figures, and under them what each of its films, classes… contributed."""
    for folder, several in found.items():
        for one in several:
            console.print(f"{folder}: {one.layout}", style="bold", soft_wrap=True)
            console.print(figure_table(one.figures))
            if one.items:
                names = list(next(iter(one.items.values())))
                shown = table("", *names, right=tuple(names))
                for item, values in one.items.items():
                    shown.add_row(item, *(figure(values.get(name, "")) for name in names))
                console.print(shown)

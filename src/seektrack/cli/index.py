"""``seektrack index``: videos into a library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    Device,
    FrameFilter,
    LibraryFolder,
    Model,
    Quiet,
    Screen,
    clock,
    spare_threads,
)

if TYPE_CHECKING:
    from seektrack.library import IndexManifest

SOME_FAILED, MOST_FAILED = 10, 99
"""The exit status when ``n`` videos failed and the rest were indexed is ``10 + n``, up to 99."""


def index(
    paths: Annotated[list[Path], typer.Argument(help="Video files, or folders searched for them.")],
    library: LibraryFolder = DEFAULT_LIBRARY,
    model: Model = "pocket",
    sampling: Annotated[
        str,
        typer.Option(help="Which frames: adaptive, keyframes, fps=2 (per second) or every=5 (each n-th)."),
    ] = "adaptive",
    regions: Annotated[
        str,
        typer.Option(
            help="What of a frame besides the whole: objects (small things are found), tiles or none."
        ),
    ] = "objects",
    filters: FrameFilter = None,
    ann: Annotated[
        str | None,
        typer.Option(
            "--ann",
            help="The search index the library keeps from now on: auto, flat (exact), ivf-sq8, ivf-pq or "
            "hnsw; small libraries are always searched exactly.",
        ),
    ] = None,
    temporal: Annotated[
        bool | None,
        typer.Option(
            "--temporal/--no-temporal",
            help='Also embed clips, so that "a red car moving left" and "a dog leaves" can be searched; as '
            "the library did before when left out.",
        ),
    ] = None,
    temporal_model: Annotated[
        str | None,
        typer.Option(
            "--temporal-model", help="With another temporal encoder than the built-in one: its folder."
        ),
    ] = None,
    reindex: Annotated[
        bool, typer.Option("--reindex", help="Index everything anew, also with another model.")
    ] = False,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Add videos to a library, or bring it up to date; unchanged videos are skipped.

    It may be interrupted at any time: the next run goes on where this one stopped. A video that cannot be
    read is reported and the rest goes on; the exit status is then 10 and the number that failed, 99 at most.
    """
    spare_threads(model)
    from seektrack.pipeline import Library

    screen = Screen(quiet=quiet, as_json=as_json)
    with Library(library, model=model, device=device) as opened, screen.progress() as progress:
        report = opened.index(
            paths,
            sampling=sampling,
            regions=regions,
            filters=filters,
            ann=ann,
            temporal=temporal_model or temporal,
            progress=progress,
            reindex=reindex,
        )

    def human(console: Console) -> None:
        counts = f"{report.indexed} indexed, {report.skipped} unchanged, {len(report.failed)} failed"
        console.print(f"{counts}; {report.frames} frames in {clock(report.seconds)} → {library}")
        if report.motion:
            console.print(f"clips of {report.motion} videos embedded, for motion and events")
        if report.index is not None:
            console.print(described(report.index))
        for path, error in report.failed:
            console.print(f"  {path}: {' '.join(str(error).split())}", style="red")

    screen.result(report, human)
    if report.failed:
        raise typer.Exit(min(SOME_FAILED + len(report.failed), MOST_FAILED))


def described(index: IndexManifest) -> str:
    """A search index in one line."""
    if index.kind == "flat":
        return f"search index: exact, over {index.vectors} pictures"
    return (
        f"search index: {index.kind} over {index.vectors} pictures, recall@10 {index.recall_at_10:.3f} "
        "on a sample of queries"
    )

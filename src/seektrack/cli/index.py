"""``seektrack index``: videos into a library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    Device,
    FrameFilter,
    LibraryFolder,
    LibraryModel,
    Quiet,
    Screen,
    clock,
    spare_threads,
)
from seektrack.cli.search_options import EndS, StartS
from seektrack.cli.source_options import Fps, MaxFrames, Window, opening
from seektrack.cli.tracked import MOST_FAILED, SOME_FAILED
from seektrack.cli.values import ANN, REGIONS, SAMPLING, check_value, completing
from seektrack.library.made_with import model_for

if TYPE_CHECKING:
    from seektrack.library import IndexManifest


def index(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Video files, addresses, cameras' numbers, folders of images, scans, or folders searched "
            "for videos."
        ),
    ],
    library: LibraryFolder = DEFAULT_LIBRARY,
    model: LibraryModel = None,
    sampling: Annotated[
        str,
        typer.Option(
            help="Which frames: adaptive, keyframes, fps=2 (per second) or every=5 (each n-th).",
            autocompletion=completing(SAMPLING),
        ),
    ] = "adaptive",
    regions: Annotated[
        str,
        typer.Option(
            help="What of a frame besides the whole: objects (small things are found), tiles or none.",
            autocompletion=completing(REGIONS),
        ),
    ] = "objects",
    filters: FrameFilter = None,
    start: StartS = None,
    end: EndS = None,
    frames: MaxFrames = None,
    fps: Fps = None,
    window: Window = None,
    ann: Annotated[
        str | None,
        typer.Option(
            "--ann",
            help="The search index the library keeps from now on: auto, flat (exact), ivf-sq8, ivf-pq or "
            "hnsw; small libraries are always searched exactly.",
            autocompletion=completing(ANN),
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
    check_value("--regions", regions, REGIONS)
    check_value("--ann", ann, ANN)
    how = opening(start=start, end=end, frames=frames, fps=fps, window=window)
    model = model_for(library, model)
    spare_threads(model)
    from seektrack.pipeline import Library

    screen = Screen(quiet=quiet, as_json=as_json)
    with Library(library, model=model, device=device) as opened, screen.progress(each="indexing") as progress:
        report = opened.index(
            paths,
            opening=how,
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

"""``seektrack index``: videos into a library."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from seektrack import defaults
from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    Backend,
    Device,
    FrameFilter,
    LibraryFolder,
    LibraryModel,
    Quiet,
    Runtime,
    Screen,
    clock,
    spare_threads,
)
from seektrack.cli.early import check_there
from seektrack.cli.search_options import EndS, StartS
from seektrack.cli.shown import name_shown, shown
from seektrack.cli.source_options import Fps, MaxFrames, Window, opening
from seektrack.cli.tracked import MOST_FAILED, SOME_FAILED
from seektrack.cli.values import ANN, REGIONS, SAMPLING, check_value, completing
from seektrack.cli.worker_options import RayAddress, WorkerCount, working
from seektrack.library.address import BACKENDS
from seektrack.library.made_with import model_for

if TYPE_CHECKING:
    from seektrack.library import IndexManifest
    from seektrack.pipeline.library import IndexReport


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
    ] = defaults.SAMPLING,
    regions: Annotated[
        str,
        typer.Option(
            help="What of a frame besides the whole: objects (small things are found), tiles or none.",
            autocompletion=completing(REGIONS),
        ),
    ] = defaults.REGIONS,
    filters: FrameFilter = None,
    start: StartS = None,
    end: EndS = None,
    frames: MaxFrames = None,
    fps: Fps = None,
    window: Window = None,
    backend: Backend = None,
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
            help='Also embed stretches, so that "a red car moving left" and "a dog leaves" can be searched; '
            "as the library did before when left out.",
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
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", metavar="PATTERN", help='Pass over paths like this, "*/cache/*"; may be repeated.'
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out videos below these paths whose files are gone.")
    ] = False,
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch",
            min=1.0,
            metavar="SECONDS",
            help="Look again every so many seconds, until interrupted; files still being written wait.",
        ),
    ] = None,
    workers: WorkerCount = None,
    ray: RayAddress = None,
    device: Device = None,
    runtime: Runtime = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Add videos to a library, or bring it up to date; unchanged videos are skipped.

    It may be interrupted at any time: the next run goes on where this one stopped. A video that cannot be
    read is reported and the rest goes on; the exit status is then 10 and the number that failed, 99 at most.
    """
    check_value("--regions", regions, REGIONS)
    check_value("--ann", ann, ANN)
    check_value("--backend", backend, BACKENDS)
    check_there(paths)
    how = opening(start=start, end=end, frames=frames, fps=fps, window=window)
    model = model_for(library, model)
    spare_threads(model)
    from seektrack.pipeline import Library

    screen = Screen(quiet=quiet, as_json=as_json)
    opened_as: dict[str, Any] = {"model": model, "device": device, "runtime": runtime, "backend": backend}
    with working(workers, ray) as shared, Library(library, **opened_as) as opened:
        while True:
            with screen.progress(each="indexing") as progress:
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
                    exclude=exclude or (),
                    prune=prune,
                    settled_s=watch or 0.0,
                    workers=shared,
                )
            if watch is None or report.indexed or report.failed or report.moved or report.pruned:
                screen.result(report, partial(_tell, report, library))
            if report.outside:
                count = len(report.outside)
                screen.warn_unknown(f"{count} video{'' if count == 1 else 's'} of {library}", model)
            if watch is None:
                break
            time.sleep(watch)
    if report.failed:
        raise typer.Exit(min(SOME_FAILED + len(report.failed), MOST_FAILED))


def _tell(report: IndexReport, library: Path, console: Console) -> None:
    counts = f"{report.indexed} indexed, {report.skipped} unchanged, {len(report.failed)} failed"
    console.print(Text(f"{counts}; {report.frames} frames in {clock(report.seconds)} → {library}"))
    if report.motion:
        console.print(f"clips of {report.motion} videos embedded, for motion and events")
    if report.index is not None:
        console.print(described(report.index))
    for old, new in report.moved:
        console.print(Text(f"  {name_shown(new)}: known as {name_shown(old)}, moved"))
    for path in report.pruned:
        console.print(Text(f"  {name_shown(path)}: gone, taken out"))
    for path, damage in report.damaged:
        console.print(Text(f"  {name_shown(path)}: indexed as far as it could be read: {damage}", "yellow"))
    if report.waiting:
        console.print(
            Text(
                f"{len(report.waiting)} videos are not indexed with this model yet, so the library still "
                f"answers with the one before: {shown(', '.join(report.waiting[:3]))}",
                "yellow",
            )
        )
    if report.passed_over:
        from seektrack.video import count_reasons

        console.print(Text(f"passed over: {count_reasons(why for _, why in report.passed_over)}"))
    for path, error in report.failed:
        console.print(Text(f"  {name_shown(path)}: {' '.join(str(error).split())}", "red"))


def described(index: IndexManifest) -> str:
    """A search index in one line."""
    if index.kind == "flat":
        return f"search index: exact, over {index.vectors} pictures"
    return (
        f"search index: {index.kind} over {index.vectors} pictures, recall@10 {index.recall_at_10:.3f} "
        "on a sample of queries"
    )

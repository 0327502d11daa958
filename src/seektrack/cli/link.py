"""``seektrack link``: one id for one object across several results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seektrack.cli.common import AsJson, Device, Quiet, Screen
from seektrack.errors import InputError


def link(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT...", help="Tracks, as track wrote them."),
    ],
    video: Annotated[
        list[Path] | None,
        typer.Option("--video", help="The video of each, in the same order; the one it names when left out."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for the linked results, under the names that tell them apart."
        ),
    ] = Path("linked"),
    least: Annotated[
        float,
        typer.Option("--min-likeness", min=0.0, max=1.0, help="Likeness from which two are one."),
    ] = 0.75,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Look with this encoder too, not by colours and outlines alone."),
    ] = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Give tracks that show one object one id: across cuts of a film, files and cameras, by looks alone."""
    from dataclasses import replace

    from seektrack.outputs import load_tracks, save_tracks
    from seektrack.tracking.link import LinkSettings
    from seektrack.tracking.link import link as linked
    from seektrack.video import open_video

    if video and len(video) != len(results):
        raise InputError(f"{len(results)} results need as many videos, got {len(video)}")
    names = _apart(results)
    screen = Screen(quiet=quiet, as_json=as_json)
    loaded = [load_tracks(path) for path in results]
    if video:
        loaded = [replace(t, video=replace(t.video, path=str(v))) for t, v in zip(loaded, video, strict=True)]
    encoder = None
    if model is not None:
        from seektrack.pipeline.models import Models

        encoder = Models(model, device=device).encoder
    sources = [open_video(t.video.path) for t in loaded]
    done = linked(loaded, sources=sources, encoder=encoder, settings=LinkSettings(least=least))
    told = []
    for name, before, after in zip(names, loaded, done, strict=True):
        path = save_tracks(after, out / name, "json")
        told.append({"file": str(path), "tracks": [t.obj_id for t in after], "before": len(before)})
    screen.result(told, lambda console: console.print("\n".join(map(_line, told))))


def _apart(results: list[Path]) -> list[Path]:
    """Where each result goes in the folder: its name, with the folders that tell it from others."""
    parts = [path.resolve().with_suffix(".json").parts for path in results]
    for depth in range(1, max(map(len, parts)) + 1):
        ends = [part[-depth:] for part in parts]
        if len(set(ends)) == len(ends):
            return [Path(*end) for end in ends]
    raise InputError("one result is given twice", hint="name each result once")


def _line(row: dict[str, object]) -> str:
    ids = ", ".join(map(str, row["tracks"])) if isinstance(row["tracks"], list) else ""
    return f"{row['file']}: ids {ids or 'none'}"

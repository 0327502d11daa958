"""``seektrack videos``: what a library holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    LibraryFolder,
    Quiet,
    Screen,
    clock,
    quoted,
    short_path,
    table,
)
from seektrack.cli.index import described
from seektrack.errors import InputError

if TYPE_CHECKING:
    from seektrack.library import LibraryStats


def videos(
    library: LibraryFolder = DEFAULT_LIBRARY,
    remove: Annotated[
        list[Path] | None, typer.Option("--remove", help="Take this video out; may be given more than once.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="The library in numbers instead of the list.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """List the videos in a library, or take some out; the files themselves are never touched."""
    from seektrack.pipeline import Library

    screen = Screen(quiet=quiet, as_json=as_json)
    with Library(library) as opened:
        for path in remove or ():
            if not opened.remove(path):
                raise InputError(
                    f"{path} is not in {library}",
                    hint=f"see what is with: seektrack videos --library {quoted(library)}",
                )
            screen.note(f"removed {path}")
        listed, stats = opened.videos(), opened.stats()

    def human(console: Console) -> None:
        shown = table("video", "length", "frames", "state", right=("length", "frames"))
        for video in listed:
            length = "" if video.duration_s is None else clock(video.duration_s)
            state = Text("indexed") if video.done else Text("unfinished: index it again", "yellow")
            if not video.available:
                state = Text("file is gone", "red")
            shown.add_row(short_path(video.path), length, str(video.frames), state)
        console.print(shown)
        in_numbers(console)

    def in_numbers(console: Console) -> None:
        console.print(
            f"{stats.videos} indexed{f', {stats.unfinished} unfinished' if stats.unfinished else ''}; "
            f"{stats.vectors} pictures of {stats.frames} frames, {stats.bytes / 1e6:.1f} MB; "
            f"model {stats.model}"
        )
        console.print(_searched(stats))

    if summary:
        screen.result(stats, in_numbers)
    else:
        screen.result(listed, human)


def _searched(stats: LibraryStats) -> str:
    from seektrack.library.reader import INDEXED_FROM

    kind = stats.chosen.kind
    if stats.index is not None:
        return described(stats.index)
    if stats.vectors >= INDEXED_FROM:
        return f"search index: {kind}, built by the next search"
    later = "" if kind in ("auto", "flat") else f"; {kind} from {INDEXED_FROM} pictures on"
    return f"search index: none needed, every picture is compared{later}"

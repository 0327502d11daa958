"""``seektrack videos``: what a library holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    LibraryFolder,
    Quiet,
    Screen,
    clock,
    short_path,
    table,
)
from seektrack.errors import InputError


def videos(
    library: LibraryFolder = DEFAULT_LIBRARY,
    remove: Annotated[
        list[Path] | None, typer.Option("--remove", help="Take this video out; may be given more than once.")
    ] = None,
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
                    hint="see what is with: seektrack videos --library " + str(library),
                )
            screen.note(f"removed {path}")
        listed = opened.videos()

    def human(console: Console) -> None:
        shown = table("video", "length", "frames", "state", right=("length", "frames"))
        for video in listed:
            length = "" if video.duration_s is None else clock(video.duration_s)
            state = "indexed" if video.done else "[yellow]unfinished: index it again[/]"
            if not video.available:
                state = "[red]file is gone[/]"
            shown.add_row(escape(short_path(video.path)), length, str(video.frames), state)
        console.print(shown)

    screen.result(listed, human)

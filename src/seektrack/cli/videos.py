"""``seektrack videos``: what a library holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seektrack.cli.common import DEFAULT_LIBRARY, AsJson, LibraryFolder, Model, Quiet, Screen


def videos(
    library: LibraryFolder = DEFAULT_LIBRARY,
    remove: Annotated[
        list[Path] | None, typer.Option("--remove", help="Take this video out; may be given more than once.")
    ] = None,
    model: Model = "pocket",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """List the videos in a library, or take some out; the files themselves are never touched."""
    from seektrack.pipeline import Library

    screen = Screen(quiet=quiet, as_json=as_json)
    with Library(library, model=model) as opened:
        for path in remove or ():
            opened.remove(path)
            screen.note(f"removed {path}")
        listed = opened.videos()

    def human(console: Console) -> None:
        for video in listed:
            console.print(str(video), markup=False)

    screen.result(listed, human)

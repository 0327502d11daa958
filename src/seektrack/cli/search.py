"""``seektrack search``: text to moments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    Device,
    LibraryFolder,
    Model,
    Quiet,
    Screen,
    clock,
    short_path,
    spare_threads,
    table,
)
from seektrack.errors import NothingFoundError
from seektrack.types import Hit, Moment


def search(
    text: Annotated[str, typer.Argument(help="What to look for, in words.")],
    library: LibraryFolder = DEFAULT_LIBRARY,
    k: Annotated[int, typer.Option("-k", "--count", min=1, help="At most this many.")] = 10,
    hits: Annotated[
        bool, typer.Option("--hits", help="Single frames and regions instead of moments.")
    ] = False,
    video: Annotated[Path | None, typer.Option("--video", help="Only in this video.")] = None,
    model: Model = "pocket",
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find the moments that show what the text says, best first.

    Says so, and ends with status 6, when nothing in the library does.
    """
    spare_threads(model)
    from seektrack.pipeline import Library

    screen = Screen(quiet=quiet, as_json=as_json)
    found: Sequence[Moment] | Sequence[Hit]
    with Library(library, model=model, device=device) as opened:
        found = opened.hits(text, k=k, video=video) if hits else opened.search(text, k=k, video=video)
    if found or as_json:
        screen.result(found, lambda console: _print(console, found))
    if not found:
        raise NothingFoundError(
            f"nothing in {library} matches {text!r}",
            hint=f"say it in other words, or see what is indexed with: seektrack videos --library {library}",
        )


def _print(console: Console, found: Sequence[Moment] | Sequence[Hit]) -> None:
    shown = table("confidence", "time", "video", right=("confidence", "time"))
    for one in found:
        if isinstance(one, Moment):
            when = f"{clock(one.start_s)} – {clock(one.end_s)}"
        else:
            box = "" if one.box is None else " [" + ", ".join(f"{v:.0f}" for v in one.box) + "]"
            when = clock(one.time_s) + box
        shown.add_row(f"{one.confidence:.2f}", escape(when), escape(short_path(one.video)))
    console.print(shown)

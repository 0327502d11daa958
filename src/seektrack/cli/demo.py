"""``seektrack demo``: the whole way on generated footage, ending in a page to open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seektrack.cli.common import AsJson, Quiet, Screen, clock, quoted, spare_threads
from seektrack.cli.figures import figure_table


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the page and its files go.")] = Path(
        "demo-out"
    ),
    small: Annotated[bool, typer.Option("--small", help="A shorter run for machines and tests.")] = False,
    film: Annotated[
        bool, typer.Option("--film", help="Also a film of a minute, followed through its five shots.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make footage, index it, search it by text, track what is found, write a page that shows it.

    Needs no network and no GPU: the pocket models come with the package, and the footage is drawn by it.
    """
    spare_threads("pocket")
    from seektrack.evaluation.demo import run_demo

    screen = Screen(quiet=quiet, as_json=as_json)
    with screen.progress() as progress:
        made = run_demo(out, small=small, film=film, progress=progress)

    def human(console: Console) -> None:
        console.print(figure_table(made.figures))
        console.print(f"\ndone in {clock(made.seconds)}; open")
        console.print(f"  {made.page.resolve().as_uri()}", style="bold")
        console.print("then try")
        for line in _to_try(made.page.parent, film=film):
            console.print(f"  {line}")

    screen.result(made, human)


def _to_try(out: Path, *, film: bool) -> tuple[str, ...]:
    """Commands to go on with, on what the demo made."""
    library = quoted(out / "library")
    video = quoted(out / "film" / "film.mp4" if film else out / "videos" / "street-000.mp4")
    mine, report = quoted(out / "mine"), quoted(out / "mine.html")
    return (
        f'seektrack search "a red car" --library {library}',
        f'seektrack track {video} --text "a red car" --out {mine} --report {report}',
        f'seektrack track {video} --text "a red car" --out {mine} --render blur',
        f"seektrack serve {library}    # a page; pip install 'seektrack[serve]'",
    )

"""``seektrack prompts compare``: how wordings rank one library; ``seektrack label``: picture to text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from seektrack import defaults
from seektrack.cli.common import (
    DEFAULT_LIBRARY,
    AsJson,
    Device,
    LibraryFolder,
    LibraryModel,
    Model,
    Quiet,
    Screen,
    clock,
    short_path,
    spare_threads,
    table,
)
from seektrack.cli.early import check_library
from seektrack.cli.search import read_picture
from seektrack.cli.search_options import Count, Template, Translate, given_templates, tell_reading
from seektrack.cli.shown import one_line
from seektrack.cli.tracked import MOST_FAILED, SOME_FAILED
from seektrack.cli.values import TEMPLATES, completing
from seektrack.errors import InputError, SeekTrackError, foreseen
from seektrack.library.made_with import model_for

if TYPE_CHECKING:
    from seektrack.retrieval import Comparison, Labelled

app = typer.Typer(help="Try wordings of a query.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keep ``compare`` a command of its own."""


@app.command()
def compare(
    texts: Annotated[list[str], typer.Argument(help="Wordings, two or more.")],
    library: LibraryFolder = DEFAULT_LIBRARY,
    k: Count = 5,
    template: Template = None,
    templates: Annotated[
        str,
        typer.Option(
            "--templates",
            help="A set of wordings by name; see --template.",
            hidden=True,
            autocompletion=completing(TEMPLATES),
        ),
    ] = "auto",
    translate: Translate = None,
    model: LibraryModel = None,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show what each wording ranks first, how sure it is, and how far the wordings agree."""
    check_library(library)
    model = model_for(library, model)
    spare_threads(model)
    from seektrack.pipeline import Library

    with Library(library, model=model, device=device) as opened:
        wordings = given_templates(template or [templates])
        result = opened.compare(texts, k=k, translate=translate, **wordings)
    screen = Screen(quiet=quiet, as_json=as_json)
    tell_reading(screen, None, result.notices, wanted=False)
    screen.result(result, lambda console: _print(console, result, k))


def _print(console: Console, result: Comparison, k: int) -> None:
    names = [chr(ord("A") + i) if i < 26 else str(i) for i in range(len(result.wordings))]
    facts = table("", "wording", "best", "found", "mean cosine", right=("best", "found", "mean cosine"))
    for name, one in zip(names, result.wordings, strict=True):
        facts.add_row(name, one.text, f"{one.best:.2f}", str(one.found), f"{one.mean_score:.3f}")
    console.print(facts)
    console.print()
    ranked = table("rank", *names, right=("rank",))
    for rank in range(k):
        cells = []
        for one in result.wordings:
            hit = one.frames[rank] if rank < len(one.frames) else None
            cells.append(
                ""
                if hit is None
                else f"{hit.confidence:.2f} {Path(short_path(hit.video)).name} {clock(hit.time_s)}"
            )
        if any(cells):
            ranked.add_row(str(rank + 1), *cells)
    console.print(ranked)
    if len(names) > 1:
        console.print()
        agreed = table("agreement", *names, right=tuple(names))
        for i, name in enumerate(names):
            row = [f"{result.overlap[i, j]:.2f} / {result.correlation[i, j]:.2f}" for j in range(len(names))]
            agreed.add_row(name, *row)
        console.print(agreed)
        console.print("share of listed frames in common / rank correlation over all frames", style="dim")


def label(
    images: Annotated[list[Path], typer.Argument(help="Pictures.")],
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="Comma-separated labels, or a text file with one a line."),
    ] = None,
    k: Count = 5,
    model: Model = defaults.MODEL,
    device: Device = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Name what pictures show, from a list of labels; what the model competes with when none is given.

    A picture that cannot be read is reported and the others are named; the exit status is then 10 and the
    number that failed, 99 at most.
    """
    spare_threads(model)
    pictures, failed = _pictures(images)
    if not pictures:
        raise next(iter(failed.values()))
    wanted = None if labels is None else _labels(labels)
    from seektrack.pipeline import Models
    from seektrack.retrieval import label_images

    named = label_images(Models(model, device=device).encoder, list(pictures.values()), wanted, k=k)
    value: list[dict[str, Any]] = [
        {"image": path, "labels": found} for path, found in zip(pictures, named, strict=True)
    ]
    value += [{"image": path, "error": error} for path, error in failed.items()]
    Screen(quiet=quiet, as_json=as_json).result(
        value, lambda console: _print_labels(console, list(pictures), named, failed)
    )
    if failed:
        raise typer.Exit(min(SOME_FAILED + len(failed), MOST_FAILED))


def _pictures(images: list[Path]) -> tuple[dict[Path, Any], dict[Path, SeekTrackError]]:
    """The pictures that can be read, and why the others cannot."""
    read: dict[Path, Any] = {}
    failed: dict[Path, SeekTrackError] = {}
    for path in images:
        try:
            read[path] = read_picture(path)
        except Exception as error:  # whatever one picture raises is that picture's failure
            failed[path] = foreseen(error, what=str(path))
    return read, failed


def _labels(given: str) -> list[str]:
    path = Path(given)
    if "," not in given and path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    else:
        lines = given.split(",")
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise InputError(f"--labels {given!r} names nothing", hint='write --labels "a cat, a dog"')
    return found


def _print_labels(
    console: Console,
    images: list[Path],
    named: list[list[Labelled]],
    failed: dict[Path, SeekTrackError],
) -> None:
    shown = table("picture", "label", "probability", "cosine", right=("probability", "cosine"))
    for path, found in zip(images, named, strict=True):
        for i, one in enumerate(found):
            shown.add_row(
                path.name if i == 0 else "",
                one.label,
                f"{one.probability:.3f}",
                f"{one.score:.3f}",
            )
    console.print(shown)
    for path, error in failed.items():
        console.print(f"{path}: failed: {one_line(error)}", style="red")
